"""SQL of the table `samples`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from adaqueue.adapters.sql.bulk import among, insert_rows
from adaqueue.adapters.tables import QueryRow
from adaqueue.adapters.work_tables import SampleRow
from adaqueue.core.records import Sample


def insert_new(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts samples; the first writer of a number wins."""
    conn.execute(insert_rows(SampleRow, rows).on_conflict_do_nothing())


def of_queries(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Sample]]:
    """Returns the queries' samples in order of their numbers."""
    statement = (
        select(SampleRow.__table__)
        .where(among(SampleRow.query_id, ids))
        .order_by(SampleRow.query_id, SampleRow.number)
    )
    found: dict[UUID, list[Sample]] = defaultdict(list)
    for row in conn.execute(statement):
        found[row.query_id].append(
            Sample(
                query_id=row.query_id,
                number=row.number,
                seed=row.seed,
                text=row.text,
                tokens_in=row.tokens_in,
                tokens_out=row.tokens_out,
                finish_reason=row.finish_reason,
                seconds=row.seconds,
            )
        )
    return found


def count_by_attempt(conn: Connection, allocation_ids: Sequence[UUID]) -> dict[tuple[UUID, int], int]:
    """Returns how many samples each attempt of the allocations has committed."""
    statement = (
        select(SampleRow.allocation_id, SampleRow.attempt, func.count())
        .where(among(SampleRow.allocation_id, allocation_ids))
        .group_by(SampleRow.allocation_id, SampleRow.attempt)
    )
    return {(row[0], row[1]): row[2] for row in conn.execute(statement)}


def count_of_run(conn: Connection, run_id: UUID) -> int:
    """Returns how many samples a run's queries have."""
    statement = select(func.count(SampleRow.query_id)).join(QueryRow, QueryRow.id == SampleRow.query_id)
    return int(conn.execute(statement.where(QueryRow.run_id == run_id)).scalar_one())
