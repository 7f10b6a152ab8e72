"""This machine: clock, files, locks, hooks, /proc, systemd."""
