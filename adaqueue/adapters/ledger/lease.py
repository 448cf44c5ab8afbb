"""The lease on deciding: one scheduler at a time."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import leases
from adaqueue.errors import LeaseLostError

NAME = "windows"


class PostgresLease:
    """Taken by the scheduler that decides; its epoch fences every decision.

    Args:
        database: the ledger's Postgres.
        holder: this scheduler, as it is known in `workers`.
        seconds: how long a silent scheduler keeps others out.
    """

    def __init__(self, database: Database, holder: UUID, seconds: float = 10.0) -> None:
        self._database = database
        self._holder = holder
        self._seconds = seconds

    def acquire(self) -> int | None:
        """Takes or extends the lease, see `Lease`."""
        with self._database.begin() as conn:
            return leases.acquire(conn, NAME, self._holder, self._seconds)

    def release(self) -> None:
        """Lets another scheduler take over at once."""
        with self._database.begin() as conn:
            leases.release(conn, NAME, self._holder)

    def require(self, conn: Connection, epoch: int) -> None:
        """Keeps the lease for the transaction.

        Raises:
            LeaseLostError: it is no longer held at that epoch.
        """
        if not leases.holds(conn, NAME, self._holder, epoch):
            raise LeaseLostError(f"the lease on windows is no longer held at epoch {epoch}")
