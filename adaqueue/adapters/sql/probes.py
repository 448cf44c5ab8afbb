"""SQL of the table `probes`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from adaqueue.adapters.tables import ProbeRow

TABLE = ProbeRow.__table__


def champion(conn: Connection, decoder: str, domain: str) -> UUID | None:
    """Returns the key of the probe in use for a decoder and a domain; None if there is none."""
    statement = select(ProbeRow.id).where(
        ProbeRow.decoder == decoder, ProbeRow.domain == domain, ProbeRow.state == "champion"
    )
    return conn.execute(statement).scalar_one_or_none()


def whole(conn: Connection, probe_id: UUID) -> Row[Any]:
    """Returns a probe's row, weights included."""
    return conn.execute(select(TABLE).where(ProbeRow.id == probe_id)).one()


def register(conn: Connection, row: dict[str, Any]) -> None:
    """Enters a probe as a challenger."""
    conn.execute(insert(ProbeRow), {**row, "state": "challenger"})


def promote(conn: Connection, probe_id: UUID) -> None:
    """Makes a probe the one in use; the one before it retires."""
    row = conn.execute(select(ProbeRow.decoder, ProbeRow.domain).where(ProbeRow.id == probe_id)).one()
    conn.execute(
        update(ProbeRow)
        .where(ProbeRow.decoder == row.decoder, ProbeRow.domain == row.domain, ProbeRow.state == "champion")
        .values(state="retired")
    )
    conn.execute(update(ProbeRow).where(ProbeRow.id == probe_id).values(state="champion"))
