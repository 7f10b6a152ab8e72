"""Decisions of the watchdog: health states, thresholds, causes of death, what to do next."""
