"""The only place that picks adapters: from bgmon.yml to the objects that commands and the daemon work with.

`Resources` is what stays the same for a project on this host, `Wiring` what one reading of bgmon.yml gives, `App` both.
The other modules hold one capability each: they take what they need, and know nothing of `App`.
"""

from monitor.bootstrap.app import App, build

__all__ = ["App", "build"]
