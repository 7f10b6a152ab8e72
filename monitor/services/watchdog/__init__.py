"""The daemon: it sees every failure, heals it and says why."""
