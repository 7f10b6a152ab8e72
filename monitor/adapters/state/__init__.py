"""State in SQLite: one file per project and host, shared by the command line and the daemon."""
