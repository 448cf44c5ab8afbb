"""SQL of the table `queries`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select, update

from adaqueue.adapters.sql.bulk import among, insert_rows
from adaqueue.adapters.sql.clock import ago
from adaqueue.adapters.tables import QueryRow
from adaqueue.core.query import Query
from adaqueue.core.recording import Recording
from adaqueue.errors import BadQueryError

log = logging.getLogger(__name__)

TABLE = QueryRow.__table__


def insert_new(conn: Connection, rows: Sequence[dict[str, Any]]) -> set[UUID]:
    """Inserts those not there yet; returns the internal keys of the new ones."""
    statement = insert_rows(QueryRow, rows).on_conflict_do_nothing().returning(QueryRow.id)
    return set(conn.execute(statement).scalars())


def contents(conn: Connection, run_id: UUID, external_ids: Sequence[str]) -> dict[str, bytes]:
    """Returns the content digest of each id that the run already has."""
    statement = select(QueryRow.external_id, QueryRow.content).where(
        QueryRow.run_id == run_id, among(QueryRow.external_id, external_ids)
    )
    return {row.external_id: row.content for row in conn.execute(statement)}


def contents_by_key(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """Returns the content digest of those internal keys that are queries of the ledger."""
    rows = conn.execute(select(QueryRow.id, QueryRow.content).where(among(QueryRow.id, ids)))
    return {row.id: row.content for row in rows}


def begin_features(conn: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """Counts an attempt at the features of those that wait for them; returns their keys."""
    statement = (
        update(QueryRow)
        .where(among(QueryRow.id, ids), QueryRow.state == "features")
        .values(features_attempts=QueryRow.features_attempts + 1, since=func.now())
        .returning(QueryRow.id)
    )
    return list(conn.execute(statement).scalars())


def to_window(conn: Connection, ids: Sequence[UUID]) -> None:
    """Lets queries that waited for features wait for their window."""
    conn.execute(
        update(QueryRow)
        .where(among(QueryRow.id, ids), QueryRow.state == "features")
        .values(state="window", since=func.now())
    )


def stalled_features(
    conn: Connection, ring_seconds: float, most_attempts: int
) -> tuple[dict[UUID, int], list[UUID]]:
    """Returns queries whose features are overdue: attempts of those to ring for; those to go on without."""
    late = QueryRow.since <= ago(ring_seconds)
    chosen = (
        select(QueryRow.id)
        .where(QueryRow.state == "features", late)
        .order_by(QueryRow.since)
        .limit(1_000)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(QueryRow)
        .where(QueryRow.id.in_(chosen))
        .values(since=func.now())
        .returning(QueryRow.id, QueryRow.features_attempts)
    )
    rows = list(conn.execute(statement))
    again = {row.id: row.features_attempts for row in rows if row.features_attempts < most_attempts}
    return again, [row.id for row in rows if row.features_attempts >= most_attempts]


def waiting_for_features(conn: Connection, seconds: float, most: int = 1_000) -> list[UUID]:
    """Returns queries that came so many seconds ago and still wait for features."""
    statement = (
        select(QueryRow.id)
        .where(QueryRow.state == "features", QueryRow.created_at <= ago(seconds))
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return list(conn.execute(statement).scalars())


def due_run(conn: Connection, window_queries: int, window_seconds: float) -> UUID | None:
    """Returns the run whose window is due and whose oldest query waits longest; None if none is."""
    late = func.min(QueryRow.since) <= ago(window_seconds)
    statement = (
        select(QueryRow.run_id)
        .where(QueryRow.state == "window")
        .group_by(QueryRow.run_id)
        .having((func.count() >= window_queries) | late)
        .order_by(func.min(QueryRow.since))
        .limit(1)
    )
    return conn.execute(statement).scalar()


def waiting(conn: Connection, run_id: UUID, most: int) -> list[Row[Any]]:
    """Returns the run's queries that wait for a window, oldest first."""
    statement = (
        select(
            QueryRow.id,
            QueryRow.external_id,
            QueryRow.domain,
            QueryRow.min_budget,
            QueryRow.max_budget,
            QueryRow.recorded_samples,
        )
        .where(QueryRow.run_id == run_id, QueryRow.state == "window")
        .order_by(QueryRow.created_at, QueryRow.id)
        .limit(most)
    )
    return list(conn.execute(statement))


def to_sampling(conn: Connection, ids: Sequence[UUID]) -> int:
    """Moves queries from their window to sampling; returns how many still waited."""
    statement = (
        update(QueryRow)
        .where(among(QueryRow.id, ids), QueryRow.state == "window")
        .values(state="sampling", since=func.now())
    )
    return conn.execute(statement).rowcount


def close(conn: Connection, outcomes: dict[UUID, str]) -> None:
    """Closes open queries with their outcome; the first outcome stays."""
    for outcome in sorted(set(outcomes.values())):
        ids = [query_id for query_id, result in outcomes.items() if result == outcome]
        conn.execute(
            update(QueryRow)
            .where(among(QueryRow.id, ids), QueryRow.state != "closed")
            .values(state="closed", outcome=outcome, closed_at=func.now(), since=func.now())
        )


def load(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Query]:
    """Returns queries as their producers gave them; one that no longer passes the checks is left out."""
    found = {}
    for row in conn.execute(select(TABLE).where(among(QueryRow.id, ids))):
        try:
            found[row.id] = _query(row)
        except BadQueryError as error:
            log.error("query %s cannot be read back: %s", row.id, error)
    return found


def identities(conn: Connection, ids: Sequence[UUID]) -> list[Row[Any]]:
    """Returns (id, run_id, external_id, content) of queries."""
    columns = (TABLE.c.id, TABLE.c.run_id, TABLE.c.external_id, TABLE.c.content)
    return list(conn.execute(select(*columns).where(among(QueryRow.id, ids))))


def _query(row: Row[Any]) -> Query:
    return Query(
        domain=row.domain,
        prompt=row.prompt,
        reference=row.reference,
        id=row.external_id,
        min_budget=row.min_budget,
        max_budget=row.max_budget,
        metadata=row.metadata,
        recording=Recording.from_json(row.recording) if row.recording else None,
    )
