"""The logs of containers as a log source, read through the engine's API."""
