"""Pure decisions: no I/O, no clock, no randomness. `now` is always an argument, in unix seconds."""
