"""Who works, as the ledger knows it."""

from __future__ import annotations

import datetime
import socket

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import workers


class PostgresWorkers:
    """Says which workers have reported.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> datetime.datetime:
        """Returns the time on the ledger's clock."""
        with self._database.begin() as conn:
            return workers.now(conn)

    def served(self, seconds: float) -> tuple[str | None, str | None] | None:
        """Returns engine and decoder of the newest sampler heard of within so many seconds."""
        with self._database.begin() as conn:
            return workers.served(conn, seconds)

    def reward_model(self, seconds: float) -> str | None:
        """Returns the model by which a verifier heard of within so many seconds scores chat."""
        with self._database.begin() as conn:
            return workers.reward_model(conn, seconds)

    def pids_since(self, start: datetime.datetime) -> set[int]:
        """Returns the processes of this host's workers that reported since `start` and have not stopped."""
        with self._database.begin() as conn:
            return workers.pids_since(conn, start, socket.gethostname())
