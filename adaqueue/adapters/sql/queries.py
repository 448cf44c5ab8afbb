"""SQL of the table `queries`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, func, select, text, update

from adaqueue.adapters.sql.bulk import among, insert_rows, values_of
from adaqueue.adapters.sql.clock import ago
from adaqueue.adapters.tables import QueryRow, RunRow
from adaqueue.core.query import Query
from adaqueue.core.recording import Recording
from adaqueue.core.specs import EVALUATION
from adaqueue.errors import BadQueryError

log = logging.getLogger(__name__)

TABLE = QueryRow.__table__
YIELD_SECONDS = 10.0  # for so long the window of an evaluation lets all others go first
DECIDED = (
    TABLE.c.id,
    TABLE.c.external_id,
    TABLE.c.domain,
    TABLE.c.min_budget,
    TABLE.c.max_budget,
    TABLE.c.recorded_samples,
    TABLE.c.drawn,
    TABLE.c.next_index,
)


PAST_DEADLINE = text(
    """
    SELECT q.id FROM queries q
    WHERE q.deadline_at <= now() AND q.state <> 'closed'
      AND NOT EXISTS (
        SELECT FROM allocations a
        WHERE a.query_id = q.id AND (a.state = 'running' OR a.state = 'ready' AND EXISTS (
          SELECT FROM samples s WHERE s.query_id = q.id AND s.allocation_id = a.id))
      )
    ORDER BY q.deadline_at LIMIT :most
    FOR UPDATE OF q SKIP LOCKED
    """
)


def insert_new(conn: Connection, rows: Sequence[dict[str, Any]]) -> set[UUID]:
    """Inserts those not there yet; returns the internal keys of the new ones."""
    statement = insert_rows(QueryRow, rows).on_conflict_do_nothing().returning(QueryRow.id)
    return set(conn.execute(statement).scalars())


def set_deadlines(conn: Connection, seconds: Mapping[UUID, float]) -> None:
    """Sets deadlines, so many seconds from now on the database's clock."""
    # next_index stands for the type alone: seconds are a double too
    if seconds:
        given = values_of(QueryRow.id, QueryRow.next_index, seconds)
        ahead = func.make_interval(0, 0, 0, 0, 0, 0, given.c.second)
        conn.execute(
            update(QueryRow).where(QueryRow.id == given.c.first).values(deadline_at=func.now() + ahead)
        )


def contents(conn: Connection, run_id: UUID, external_ids: Sequence[str]) -> dict[tuple[str, str], bytes]:
    """Returns the content digest of each (tenant, id) that the run already has, of the ids given."""
    statement = select(QueryRow.tenant, QueryRow.external_id, QueryRow.content).where(
        QueryRow.run_id == run_id, among(QueryRow.external_id, external_ids)
    )
    return {(row.tenant, row.external_id): row.content for row in conn.execute(statement)}


def first_domains(conn: Connection, run_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Returns the domain of some query of each run that has any."""
    first = select(QueryRow.domain).where(QueryRow.run_id == RunRow.id).limit(1).scalar_subquery()
    rows = conn.execute(select(RunRow.id, first.label("domain")).where(among(RunRow.id, run_ids)))
    return {row.id: row.domain for row in rows if row.domain is not None}


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


def due_account(conn: Connection, window_queries: int, window_seconds: float) -> tuple[UUID, str] | None:
    """Returns (run, tenant) whose window is due and waits longest, evaluations last; None if none is."""
    oldest = func.min(QueryRow.since)
    yields = (RunRow.purpose == EVALUATION) & (oldest > ago(YIELD_SECONDS))
    statement = (
        select(QueryRow.run_id, QueryRow.tenant)
        .join(RunRow, RunRow.id == QueryRow.run_id)
        .where(QueryRow.state == "window")
        .group_by(QueryRow.run_id, QueryRow.tenant, RunRow.purpose)
        .having((func.count() >= window_queries) | (oldest <= ago(window_seconds)))
        .order_by(yields, oldest)
        .limit(1)
    )
    row = conn.execute(statement).one_or_none()
    return None if row is None else (row.run_id, row.tenant)


def waiting(conn: Connection, run_id: UUID, tenant: str, most: int) -> list[Row[Any]]:
    """Returns the account's queries that wait for a window, oldest first."""
    statement = (
        select(*DECIDED, TABLE.c.prompt)
        .where(QueryRow.run_id == run_id, QueryRow.tenant == tenant, QueryRow.state == "window")
        .order_by(QueryRow.created_at, QueryRow.id)
        .limit(most)
    )
    return list(conn.execute(statement))


def count_in(conn: Connection, run_id: UUID, states: Sequence[str]) -> int:
    """Returns how many of a run's queries are in one of the states."""
    statement = select(func.count()).where(QueryRow.run_id == run_id, QueryRow.state.in_(states))
    return int(conn.execute(statement).scalar_one())


def to_price(conn: Connection, run_id: UUID, tenant: str, most: int) -> list[Row[Any]]:
    """Returns the account's open queries whose next index is still to be computed."""
    return list(conn.execute(_open(run_id, tenant).where(QueryRow.next_index.is_(None)).limit(most)))


def largest_index(conn: Connection, run_id: UUID, tenant: str, most: int) -> list[Row[Any]]:
    """Returns the account's open queries of largest index, those without one left out."""
    ranked = _open(run_id, tenant).where(QueryRow.next_index.is_not(None))
    order = QueryRow.next_index.desc().nulls_first()
    return list(conn.execute(ranked.order_by(order).limit(most)))


def _open(run_id: UUID, tenant: str) -> Select[Any]:
    return select(*DECIDED).where(
        QueryRow.run_id == run_id, QueryRow.tenant == tenant, QueryRow.state == "open"
    )


def to_sampling(conn: Connection, ids: Sequence[UUID], state: str) -> int:
    """Moves queries from a state to sampling; returns how many were in it."""
    statement = (
        update(QueryRow)
        .where(among(QueryRow.id, ids), QueryRow.state == state)
        .values(state="sampling", since=func.now())
    )
    return conn.execute(statement).rowcount


def to_open(conn: Connection, indices: Mapping[UUID, float], state: str) -> int:
    """Opens queries that are in a state, each with its index; returns how many were in it."""
    given = values_of(QueryRow.id, QueryRow.next_index, indices)
    statement = (
        update(QueryRow)
        .where(QueryRow.id == given.c.first, QueryRow.state == state)
        .values(state="open", since=func.now(), next_index=given.c.second)
    )
    return conn.execute(statement).rowcount


def set_index(conn: Connection, indices: Mapping[UUID, float]) -> None:
    """Sets the index of open queries."""
    if indices:
        to_open(conn, indices, "open")


def reopen(conn: Connection, drawn: Mapping[UUID, int]) -> None:
    """Opens queries again after so many samples; their index is still to be computed."""
    given = values_of(QueryRow.id, QueryRow.drawn, drawn)
    conn.execute(
        update(QueryRow)
        .where(QueryRow.id == given.c.first, QueryRow.state == "sampling")
        .values(state="open", since=func.now(), drawn=given.c.second, next_index=None)
    )


def past_deadline(conn: Connection, most: int) -> list[UUID]:
    """Locks and returns queries that have not ended at their deadline, those half drawn left out."""
    return list(conn.execute(PAST_DEADLINE, {"most": most}).scalars())


def lock_open(conn: Connection, ids: Sequence[UUID]) -> int:
    """Locks those of the queries that are open; returns how many that are."""
    statement = (
        select(QueryRow.id)
        .where(among(QueryRow.id, ids), QueryRow.state == "open")
        .order_by(QueryRow.id)
        .with_for_update()
    )
    return len(conn.execute(statement).all())


def being_sampled(conn: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Returns those of the queries that have an allocation."""
    statement = select(QueryRow.id).where(among(QueryRow.id, ids), QueryRow.state == "sampling")
    return set(conn.execute(statement).scalars())


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
    """Returns (id, run_id, tenant, external_id, content) of queries."""
    columns = (TABLE.c.id, TABLE.c.run_id, TABLE.c.tenant, TABLE.c.external_id, TABLE.c.content)
    return list(conn.execute(select(*columns).where(among(QueryRow.id, ids))))


def bounds(conn: Connection, ids: Sequence[UUID]) -> list[Row[Any]]:
    """Returns queries' run_id beside what `waiting` returns."""
    return list(conn.execute(select(TABLE.c.run_id, *DECIDED).where(among(QueryRow.id, ids))))


def _query(row: Row[Any]) -> Query:
    return Query(
        domain=row.domain,
        prompt=row.prompt,
        reference=row.reference,
        id=row.external_id,
        min_budget=row.min_budget,
        max_budget=row.max_budget,
        metadata=row.metadata,
        tenant=row.tenant,
        recording=Recording.from_json(row.recording) if row.recording else None,
    )
