"""Totals that survive restarts and pruning. Deploys and restarts are counted by triggers (migration 0016)."""

from __future__ import annotations

import json

from monitor.adapters.state.db import Database


class SqliteTotals:
    """Fulfils ports.totals.Totals."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, metric: str, labels: tuple[str, ...], value: float = 1.0) -> None:
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO totals (metric, labels, value) VALUES (?, json(?), ?) "
                "ON CONFLICT (metric, labels) DO UPDATE SET value = value + excluded.value",
                (metric, json.dumps(labels), value),
            )

    def of(self, metric: str) -> dict[tuple[str, ...], float]:
        rows = self._db.rows("SELECT labels, value FROM totals WHERE metric = ? ORDER BY labels", (metric,))
        return {tuple(json.loads(row["labels"])): float(row["value"]) for row in rows}
