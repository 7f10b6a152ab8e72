"""Pure rendering: a catalogue and facts in, file text out."""
