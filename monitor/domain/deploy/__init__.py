"""Decisions of a deploy: the spec, the gate, the bake, the journal's steps, the records."""
