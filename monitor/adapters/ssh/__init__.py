"""Commands on other hosts, over the system's ssh."""
