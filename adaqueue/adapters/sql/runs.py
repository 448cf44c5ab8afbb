"""SQL of the table `runs`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert

from adaqueue.adapters.sql.bulk import among
from adaqueue.adapters.tables import RunRow
from adaqueue.core.query import DEFAULT_TENANT
from adaqueue.core.specs import Run

TABLE = RunRow.__table__


def open_or_create(conn: Connection, run: Run) -> Run:
    """Returns the open run of that name, created from `run` if there is none."""
    row = {
        "id": run.id,
        "tenant": DEFAULT_TENANT,
        "name": run.name,
        "engine": run.engine,
        "decoder": run.decoder,
        "policy": run.policy,
        "average_budget": Decimal(str(run.average_budget)),
        "b_max": run.b_max,
        "has_features": run.has_features,
        "is_batch": run.is_batch,
        "purpose": run.purpose,
    }
    conn.execute(insert(RunRow).on_conflict_do_nothing(), row)
    found = select(TABLE).where(
        RunRow.tenant == DEFAULT_TENANT, RunRow.name == run.name, RunRow.closed_at.is_(None)
    )
    return _run(conn.execute(found).mappings().one())


def by_id(conn: Connection, run_ids: Iterable[UUID]) -> dict[UUID, Run]:
    """Returns those of the runs that exist."""
    rows = conn.execute(select(TABLE).where(among(RunRow.id, run_ids))).mappings()
    return {row["id"]: _run(row) for row in rows}


def seal(conn: Connection, run_id: UUID, queries: int) -> None:
    """Notes that a batch gets so many queries and no more."""
    conn.execute(update(RunRow).where(RunRow.id == run_id).values(sealed_queries=queries))


def close(conn: Connection, run_id: UUID) -> None:
    """Closes a run, so that its name is free again."""
    conn.execute(update(RunRow).where(RunRow.id == run_id).values(closed_at=func.now()))


def _run(row: RowMapping) -> Run:
    return Run(
        id=row["id"],
        name=row["name"],
        engine=row["engine"],
        decoder=row["decoder"],
        policy=row["policy"],
        average_budget=float(row["average_budget"]),
        b_max=row["b_max"],
        has_features=row["has_features"],
        is_batch=row["is_batch"],
        purpose=row["purpose"],
    )
