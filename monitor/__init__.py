"""bgmon: blue-green deploys, self-healing and metrics for teams on plain Docker hosts."""

__version__ = "0.1.0"
