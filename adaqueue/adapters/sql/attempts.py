"""SQL of the table `attempts`: every try stays on the books, with what it wasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from adaqueue.adapters.tables import AttemptRow


def begin(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts (allocation_id, attempt, worker_id, asked_samples) of claims."""
    conn.execute(insert(AttemptRow), rows)


def end(conn: Connection, attempts: Mapping[UUID, int], outcome: str, reason: str | None = None) -> None:
    """Ends attempts: finished, handed_back, failed or lost."""
    conn.execute(
        update(AttemptRow)
        .where(tuple_(AttemptRow.allocation_id, AttemptRow.attempt).in_(list(attempts.items())))
        .values(outcome=outcome, reason=reason, ended_at=func.now())
    )


def waste(
    conn: Connection, allocation_id: UUID, attempt: int, samples: int, tokens: int, exact: bool = True
) -> None:
    """Adds samples and tokens that were drawn for nothing."""
    conn.execute(
        update(AttemptRow)
        .where(AttemptRow.allocation_id == allocation_id, AttemptRow.attempt == attempt)
        .values(
            wasted_samples=AttemptRow.wasted_samples + samples,
            wasted_tokens=AttemptRow.wasted_tokens + tokens,
            wasted_is_exact=AttemptRow.wasted_is_exact & exact,
        )
    )
