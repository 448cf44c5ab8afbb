"""SQL of the table `attempts`: every try stays on the books, with what it wasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, case, func, update

from adaqueue.adapters.sql.bulk import insert_rows, pairs
from adaqueue.adapters.work_tables import AttemptRow


def begin(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts (allocation_id, attempt, worker_id, asked_samples) of claims."""
    conn.execute(insert_rows(AttemptRow, rows))


def end(conn: Connection, attempts: Mapping[UUID, int], outcome: str, reason: str | None = None) -> None:
    """Ends attempts: finished, handed_back, failed or lost."""
    conn.execute(
        update(AttemptRow)
        .where(pairs(AttemptRow.allocation_id, AttemptRow.attempt, attempts))
        .values(outcome=outcome, reason=reason, ended_at=func.now())
    )


def waste(conn: Connection, allocation_id: UUID, attempt: int, samples: int, tokens: int) -> None:
    """Adds samples and tokens that were drawn for nothing; what the worker says replaces an upper bound."""
    conn.execute(
        update(AttemptRow)
        .where(AttemptRow.allocation_id == allocation_id, AttemptRow.attempt == attempt)
        .values(
            wasted_samples=case((AttemptRow.wasted_is_exact, AttemptRow.wasted_samples), else_=0) + samples,
            wasted_tokens=case((AttemptRow.wasted_is_exact, AttemptRow.wasted_tokens), else_=0) + tokens,
            wasted_is_exact=True,
        )
    )


def waste_at_most(conn: Connection, allocation_id: UUID, attempt: int, samples: int, tokens: int) -> None:
    """Notes an upper bound of what a worker that is silent may have drawn for nothing."""
    conn.execute(
        update(AttemptRow)
        .where(AttemptRow.allocation_id == allocation_id, AttemptRow.attempt == attempt)
        .values(wasted_samples=samples, wasted_tokens=tokens, wasted_is_exact=samples == 0)
    )
