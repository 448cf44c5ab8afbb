"""SQL of the table `leases`: one holder at a time, by the database's clock only."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from adaqueue.adapters.sql.clock import ago
from adaqueue.adapters.tables import LeaseRow


def acquire(conn: Connection, name: str, holder: UUID, seconds: float) -> int | None:
    """Takes or extends the lease; returns its epoch, or None while another holds it.

    A holder that asks again before half of its time is over writes nothing.
    """
    fresh = select(LeaseRow.epoch).where(
        LeaseRow.name == name, LeaseRow.holder == holder, LeaseRow.expires_at > ago(-seconds / 2)
    )
    if (epoch := conn.execute(fresh).scalar()) is not None:
        return epoch
    row = {"name": name, "holder": holder, "epoch": 1, "expires_at": ago(-seconds)}
    statement = insert(LeaseRow).values(**row)
    statement = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={
            "holder": holder,
            "epoch": LeaseRow.epoch + case((LeaseRow.holder == holder, 0), else_=1),
            "expires_at": ago(-seconds),
        },
        where=or_(LeaseRow.holder == holder, LeaseRow.expires_at < func.now()),
    )
    return conn.execute(statement.returning(LeaseRow.epoch)).scalar()


def holds(conn: Connection, name: str, holder: UUID, epoch: int) -> bool:
    """Whether the lease is still held at that epoch; keeps it from changing until the transaction ends."""
    statement = (
        select(LeaseRow.epoch)
        .where(LeaseRow.name == name, LeaseRow.holder == holder, LeaseRow.epoch == epoch)
        .where(LeaseRow.expires_at > func.now())
        .with_for_update()
    )
    return conn.execute(statement).scalar() is not None


def release(conn: Connection, name: str, holder: UUID) -> None:
    """Lets the next holder take the lease at once."""
    conn.execute(
        update(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder).values(expires_at=func.now())
    )
