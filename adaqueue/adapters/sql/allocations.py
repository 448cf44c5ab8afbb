"""SQL of the table `allocations`: claims with fencing, and what the reaper returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, case, func, literal, select, text, update

from adaqueue.adapters.sql.bulk import among, insert_rows, pairs
from adaqueue.adapters.sql.clock import ago
from adaqueue.adapters.tables import WorkerRow
from adaqueue.adapters.work_tables import AllocationRow
from adaqueue.core.decisions import Allocation
from adaqueue.core.specs import Run

TABLE = AllocationRow.__table__
QUEUE = case((TABLE.c.stage == "verify", literal("verify")), else_=TABLE.c.engine).label("queue")
HELD = (TABLE.c.id, TABLE.c.attempt, TABLE.c.query_id, TABLE.c.failures, TABLE.c.worker_id, TABLE.c.budget)


IN_FLIGHT = text(
    """
    SELECT coalesce(sum(a.budget), 0) FROM allocations a JOIN queries q ON q.id = a.query_id
    WHERE a.state IN ('ready', 'running') AND q.run_id = :run_id AND q.tenant = :tenant
    """
)
IN_FLIGHT_OF_ENGINE = text(
    "SELECT coalesce(sum(budget), 0) FROM allocations "
    "WHERE state IN ('ready', 'running') AND stage = 'draw' AND engine = :engine"
)


def insert_decided(conn: Connection, window_id: UUID, run: Run, granted: Sequence[Allocation]) -> None:
    """Inserts the allocations of one window or round."""
    if granted:
        conn.execute(insert_rows(AllocationRow, [_row(window_id, run, one) for one in granted]))


def _row(window_id: UUID, run: Run, allocation: Allocation) -> dict[str, Any]:
    said = allocation.prediction
    return {
        "id": allocation.id,
        "query_id": allocation.query_id,
        "window_id": window_id,
        "decoder": run.decoder,
        "engine": run.engine,
        "budget": allocation.budget,
        "first_sample": allocation.first_sample,
        "alpha": said.alpha,
        "beta": said.beta,
        "index": allocation.index,
        "price": allocation.price,
        "policy": allocation.policy or run.policy,
        "probe": said.probe,
        "propensity": allocation.propensity,
        "reason": allocation.reason or said.reason,
        "state": "ready" if allocation.budget else "done",
    }


def in_flight(conn: Connection, run_id: UUID, tenant: str) -> int:
    """Returns the samples granted to an account that are not yet verified."""
    return int(conn.execute(IN_FLIGHT, {"run_id": run_id, "tenant": tenant}).scalar_one())


def in_flight_of_engine(conn: Connection, engine: str) -> int:
    """Returns the samples granted to an engine's queries that are not yet drawn."""
    return int(conn.execute(IN_FLIGHT_OF_ENGINE, {"engine": engine}).scalar_one())


def take_back(conn: Connection, query_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Ends those of the queries' allocations that nobody has claimed; returns their samples, by query."""
    unclaimed = (
        select(TABLE.c.id)
        .where(among(TABLE.c.query_id, query_ids), TABLE.c.state == "ready")
        .order_by(TABLE.c.id)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(AllocationRow)
        .where(AllocationRow.id.in_(unclaimed))
        .values(state="dead")
        .returning(AllocationRow.query_id, AllocationRow.budget)
    )
    return {row.query_id: row.budget for row in conn.execute(statement)}


def claim(conn: Connection, ids: Sequence[UUID], worker_id: UUID, stage: str) -> list[Row[Any]]:
    """Takes those that are ready for a stage; counts the attempt before the work.

    Args:
        conn: open transaction.
        ids: as the doorbell said them.
        worker_id: who takes them.
        stage: `draw` or `verify`.

    Returns:
        (id, attempt, query_id, budget, first_sample, alpha, beta, policy) of what the worker now holds.
    """
    ready = (
        select(AllocationRow.id)
        .where(among(AllocationRow.id, ids), AllocationRow.state == "ready", AllocationRow.stage == stage)
        .order_by(AllocationRow.id)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(AllocationRow)
        .where(AllocationRow.id.in_(ready))
        .values(
            state="running",
            worker_id=worker_id,
            attempt=AllocationRow.attempt + 1,
            failures=AllocationRow.failures + 1,
        )
        .returning(
            AllocationRow.id,
            AllocationRow.attempt,
            AllocationRow.query_id,
            AllocationRow.budget,
            AllocationRow.first_sample,
            AllocationRow.alpha,
            AllocationRow.beta,
            AllocationRow.policy,
        )
    )
    return sorted(conn.execute(statement), key=lambda row: row.id)


def lock_held(conn: Connection, attempts: Mapping[UUID, int]) -> list[Row[Any]]:
    """Locks and returns those of the allocations that still are at the given attempt and running."""
    statement = (
        select(*HELD)
        .where(pairs(TABLE.c.id, TABLE.c.attempt, attempts), TABLE.c.state == "running")
        .order_by(TABLE.c.id)
        .with_for_update()
    )
    return list(conn.execute(statement))


def finish(conn: Connection, ids: Sequence[UUID]) -> None:
    """Marks allocations as done; the attempt that finished was no failure."""
    conn.execute(
        update(AllocationRow)
        .where(among(AllocationRow.id, ids))
        .values(state="done", failures=AllocationRow.failures - 1)
    )


def to_verify(conn: Connection, ids: Sequence[UUID]) -> None:
    """Leaves drawn allocations to the verifiers; the attempt that drew them was no failure."""
    conn.execute(
        update(AllocationRow)
        .where(among(AllocationRow.id, ids))
        .values(
            stage="verify",
            state="ready",
            worker_id=None,
            failures=AllocationRow.failures - 1,
            rung_at=func.now(),
        )
    )


def bury(conn: Connection, ids: Sequence[UUID]) -> None:
    """Marks allocations as dead: nobody tries them again."""
    conn.execute(update(AllocationRow).where(among(AllocationRow.id, ids)).values(state="dead"))


def fail(conn: Connection, ids: Sequence[UUID]) -> None:
    """Makes allocations ready again after a failure; the reaper rings for them after a pause."""
    conn.execute(
        update(AllocationRow)
        .where(among(AllocationRow.id, ids))
        .values(state="ready", worker_id=None, rung_at=func.now())
    )


def hand_back(conn: Connection, ids: Sequence[UUID]) -> None:
    """Makes allocations ready again without counting the attempt; the reaper rings for them at once."""
    conn.execute(
        update(AllocationRow)
        .where(among(AllocationRow.id, ids))
        .values(state="ready", worker_id=None, failures=AllocationRow.failures - 1, rung_at=ago(86_400))
    )


def hand_back_of(conn: Connection, worker_id: UUID) -> dict[UUID, int]:
    """Hands back whatever a worker holds; returns the attempts that end with it, by allocation."""
    held = (
        select(TABLE.c.id, TABLE.c.attempt)
        .where(TABLE.c.state == "running", TABLE.c.worker_id == worker_id)
        .order_by(TABLE.c.id)
        .with_for_update()
    )
    tries = {row.id: row.attempt for row in conn.execute(held)}
    hand_back(conn, list(tries))
    return tries


def lock_orphaned(conn: Connection, worker_seconds: float, most: int = 1_000) -> list[Row[Any]]:
    """Locks and returns running allocations whose worker stopped or was not heard of for so long."""
    alive = select(WorkerRow.id).where(
        WorkerRow.heartbeat_at > ago(worker_seconds), WorkerRow.stopped_at.is_(None)
    )
    statement = (
        select(*HELD)
        .where(TABLE.c.state == "running", TABLE.c.worker_id.not_in(alive))
        .order_by(TABLE.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return list(conn.execute(statement))


def to_ring(conn: Connection, ring_seconds: float, most: int = 1_000) -> list[Row[Any]]:
    """Returns (id, queue, failures) of ready allocations whose doorbell is overdue, and notes the ring.

    After a failure the pause doubles from one second, up to `ring_seconds`.
    """
    backoff = func.least(func.power(2.0, AllocationRow.failures - 1), literal(ring_seconds))
    pause = case((AllocationRow.failures > 0, backoff), else_=literal(ring_seconds))
    chosen = (
        select(AllocationRow.id)
        .where(AllocationRow.state == "ready", AllocationRow.rung_at <= ago(pause))
        .order_by(AllocationRow.rung_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(AllocationRow)
        .where(AllocationRow.id.in_(chosen))
        .values(rung_at=func.now())
        .returning(AllocationRow.id, QUEUE, AllocationRow.failures)
    )
    return sorted(conn.execute(statement), key=lambda row: row.id)
