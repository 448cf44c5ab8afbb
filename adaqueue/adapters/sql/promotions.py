"""SQL of the table `promotions`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select
from uuid_utils.compat import uuid7

from adaqueue.adapters.tables import ProbeRow, PromotionRow

ROLLBACK = "rolled back"


def enter(
    conn: Connection, decoder: str, domain: str, probe_id: UUID, previous_id: UUID | None, reason: str
) -> None:
    """Enters that a probe was put into use."""
    row = {"decoder": decoder, "domain": domain, "probe_id": probe_id, "previous_id": previous_id}
    conn.execute(insert(PromotionRow), {"id": uuid7(), **row, "reason": reason})


def before(conn: Connection, probe_id: UUID) -> UUID | None:
    """Returns the key of the probe that was in use before this one was promoted; None if there was none."""
    statement = (
        select(PromotionRow.previous_id)
        .where(PromotionRow.probe_id == probe_id, PromotionRow.reason != ROLLBACK)
        .order_by(PromotionRow.id.desc())
        .limit(1)
    )
    return conn.execute(statement).scalar_one_or_none()


def of_probe(conn: Connection, name: str) -> list[Row[Any]]:
    """Returns (created_at, reason) of each time that a probe was put into use, oldest first."""
    statement = (
        select(PromotionRow.created_at, PromotionRow.reason)
        .join(ProbeRow, ProbeRow.id == PromotionRow.probe_id)
        .where(ProbeRow.name == name)
        .order_by(PromotionRow.id)
    )
    return list(conn.execute(statement))
