"""How many samples a query may have."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from adaqueue.core.specs import Run


def least_samples(run: Run, row: Row[Any]) -> int:
    """Returns how many samples a query is promised: chat always gets one (Section 4.1)."""
    promised = max(int(row.min_budget), int(row.domain == "chat"))
    return min(promised, most_samples(run, row))


def most_samples(run: Run, row: Row[Any]) -> int:
    """Returns the least of the run's b_max, the query's own maximum, and, in a replay, what was recorded."""
    limits = [run.b_max, row.max_budget, row.recorded_samples if run.engine == "replay" else None]
    return min(int(limit) for limit in limits if limit is not None)
