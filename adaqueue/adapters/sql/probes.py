"""SQL of the table `probes`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from adaqueue.adapters.tables import ProbeRow

TABLE = ProbeRow.__table__
PAPERS = tuple(column for column in TABLE.c if column.name != "weights")


def champion(conn: Connection, decoder: str, domain: str, *, locked: bool = False) -> UUID | None:
    """Returns the key of the probe in use for a decoder and a domain; None if there is none.

    Args:
        conn: open transaction.
        decoder: whose samples it predicts.
        domain: of its queries.
        locked: nobody else may replace it before the transaction ends.
    """
    statement = select(ProbeRow.id).where(
        ProbeRow.decoder == decoder, ProbeRow.domain == domain, ProbeRow.state == "champion"
    )
    if locked:
        statement = statement.with_for_update()
    return conn.execute(statement).scalar_one_or_none()


def whole(conn: Connection, probe_id: UUID) -> Row[Any]:
    """Returns a probe's row, weights included."""
    return conn.execute(select(TABLE).where(ProbeRow.id == probe_id)).one()


def named(conn: Connection, name: str) -> Row[Any] | None:
    """Returns a probe's row without its weights; None if there is none of this name."""
    return conn.execute(select(*PAPERS).where(ProbeRow.name == name)).one_or_none()


def newest(conn: Connection, most: int) -> list[Row[Any]]:
    """Returns so many rows at most, the newest first, without weights."""
    return list(conn.execute(select(*PAPERS).order_by(ProbeRow.id.desc()).limit(most)))


def register(conn: Connection, row: dict[str, Any]) -> None:
    """Enters a probe as a challenger."""
    conn.execute(insert(ProbeRow), {**row, "state": "challenger"})


def use(conn: Connection, decoder: str, domain: str, probe_id: UUID) -> UUID | None:
    """Makes a probe the one in use, and returns the key of the one before it, which retires."""
    retired = conn.execute(
        update(ProbeRow)
        .where(ProbeRow.decoder == decoder, ProbeRow.domain == domain, ProbeRow.state == "champion")
        .values(state="retired")
        .returning(ProbeRow.id)
    ).scalar_one_or_none()
    conn.execute(update(ProbeRow).where(ProbeRow.id == probe_id).values(state="champion"))
    return retired
