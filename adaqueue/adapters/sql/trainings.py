"""SQL of the table `trainings`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, or_, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from adaqueue.adapters.sql.clock import ago
from adaqueue.adapters.tables import TrainingRow

TABLE = TrainingRow.__table__
LOST_SECONDS = 120.0
"""A training whose process was silent for longer died with it."""


def begin(conn: Connection, decoder: str, domain: str, slot: str | None) -> UUID | None:
    """Enters a training as running, and returns its key; None where the slot has one that runs or is done."""
    row = {"id": uuid7(), "decoder": decoder, "domain": domain, "slot": slot, "state": "running"}
    anew = {"id": row["id"], "state": "running", "started_at": func.now(), "alive_at": func.now()}
    lost = (TABLE.c.state == "running") & (TABLE.c.alive_at < ago(LOST_SECONDS))
    statement = (
        insert(TrainingRow)
        .values(row)
        .on_conflict_do_update(
            index_elements=["decoder", "domain", "slot"],
            set_={**anew, "ended_at": None},
            where=or_(TABLE.c.state == "failed", lost),
        )
        .returning(TrainingRow.id)
    )
    return conn.execute(statement).scalar_one_or_none()


def keep(conn: Connection, training_id: UUID) -> None:
    """Enters that a training's process is at it."""
    conn.execute(update(TrainingRow).where(TrainingRow.id == training_id).values(alive_at=func.now()))


def end(conn: Connection, training_id: UUID, state: str, report: dict[str, Any]) -> None:
    """Enters what came of a training."""
    values = {"state": state, "report": report, "ended_at": func.now()}
    conn.execute(update(TrainingRow).where(TrainingRow.id == training_id).values(**values))
