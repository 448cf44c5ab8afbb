"""SQL of the tables `trainings` and `evaluations`: work of the schedule, done once for each of its slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Table, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from adaqueue.adapters.slot_tables import EvaluationRow, TrainingRow
from adaqueue.adapters.sql.clock import ago
from adaqueue.adapters.tables import table_of

LOST_SECONDS = 120.0
"""Work whose process was silent for longer died with it."""

TRAININGS = table_of(TrainingRow)
EVALUATIONS = table_of(EvaluationRow)


def begin_training(conn: Connection, decoder: str, domain: str, slot: str | None) -> UUID | None:
    """Enters a training as running, see `_begin`; without a slot it is always one."""
    return _begin(conn, TRAININGS, {"decoder": decoder, "domain": domain, "slot": slot}, {})


def begin_evaluation(conn: Connection, suite: str, slot: str, basis: str) -> UUID | None:
    """Enters an evaluation as running, see `_begin`."""
    return _begin(conn, EVALUATIONS, {"suite": suite, "slot": slot}, {"basis": basis})


def _begin(conn: Connection, table: Table, what: Mapping[str, Any], more: Mapping[str, Any]) -> UUID | None:
    """Enters work as running, and returns its key; None where its slot has one that runs or is done."""
    row = {"id": uuid7(), **more, "state": "running"}
    anew = {**row, "started_at": func.now(), "alive_at": func.now(), "ended_at": None}
    lost = (table.c.state == "running") & (table.c.alive_at < ago(LOST_SECONDS))
    statement = (
        insert(table)
        .values({**what, **row})
        .on_conflict_do_update(
            index_elements=list(what), set_=anew, where=or_(table.c.state == "failed", lost)
        )
        .returning(table.c.id)
    )
    return conn.execute(statement).scalar_one_or_none()


def keep(conn: Connection, table: Table, key: UUID) -> None:
    """Enters that the work's process is at it."""
    conn.execute(update(table).where(table.c.id == key).values(alive_at=func.now()))


def end(conn: Connection, table: Table, key: UUID, state: str, report: dict[str, Any]) -> None:
    """Enters what came of the work."""
    values = {"state": state, "report": report, "ended_at": func.now()}
    conn.execute(update(table).where(table.c.id == key).values(**values))


def before(conn: Connection, suite: str, basis: str, slot: str, most: int) -> list[Row[Any]]:
    """Returns the newest evaluations that were done on the same basis, another slot's, the newest first."""
    table = EVALUATIONS
    statement = (
        select(table)
        .where(table.c.suite == suite, table.c.basis == basis, table.c.slot != slot, table.c.state == "done")
        .order_by(table.c.started_at.desc())
        .limit(most)
    )
    return list(conn.execute(statement))


def newest_evaluations(conn: Connection, most: int) -> list[Row[Any]]:
    """Returns the newest evaluations, the newest first."""
    table = EVALUATIONS
    return list(conn.execute(select(table).order_by(table.c.started_at.desc(), table.c.id).limit(most)))


def evaluations_of(conn: Connection, slot: str) -> list[Row[Any]]:
    """Returns a night's evaluations, in the order of their beginning."""
    table = EVALUATIONS
    return list(conn.execute(select(table).where(table.c.slot == slot).order_by(table.c.started_at)))
