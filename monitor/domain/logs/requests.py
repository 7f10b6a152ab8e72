"""What the log says of a service's requests in a window of time: counts by status, and a histogram of durations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Upper bounds in seconds, as Prometheus' own client libraries have them; +Inf is implied.
DEFAULT_BUCKETS: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class RequestWindow:
    """Requests of one service in (start, end].

    `codes` counts requests by HTTP status ("200"). `buckets` are cumulative, keyed by the upper bound as Prometheus
    writes it, "+Inf" included. `duration_sum` is in seconds. `unparsed` lines are in none of the other counts.
    `events` counts what `logs.count` names.
    """

    codes: Mapping[str, int] = field(default_factory=dict)
    buckets: Mapping[str, int] = field(default_factory=dict)
    duration_sum: float = 0.0
    unparsed: int = 0
    events: Mapping[str, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return sum(self.codes.values())

    @property
    def errors(self) -> int:
        """Requests answered with a 5xx."""
        return sum(count for code, count in self.codes.items() if code.startswith("5"))

    @property
    def error_share(self) -> float:
        """Between 0 and 1; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0

    def quantile(self, q: float) -> float | None:
        """Seconds below which a share `q` of the requests lies; None without requests.

        Linear inside a bucket, and the highest finite bound for what lies beyond it, as Prometheus'
        histogram_quantile has it.
        """
        total = self.buckets.get("+Inf", 0)
        if not total:
            return None
        rank = q * total
        lower, below = 0.0, 0
        for bound, count in sorted((float(le), count) for le, count in self.buckets.items()):
            if count >= rank and count > below:
                if bound == float("inf"):
                    return lower
                return lower + (bound - lower) * (rank - below) / (count - below)
            lower, below = (bound, count) if bound != float("inf") else (lower, below)
        return lower
