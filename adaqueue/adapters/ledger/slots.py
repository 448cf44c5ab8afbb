"""Scheduled work, entered in the books while it is done, once for each slot of the schedule."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import Event, Thread
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, func, select

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import slots
from adaqueue.errors import UnavailableError

log = logging.getLogger(__name__)

ALIVE_SECONDS = 20.0

Report = Mapping[str, Any]


class Slots:
    """Lets work be done once for each slot of a table, and keeps what came of it.

    Args:
        database: the ledger's Postgres.
        table: of the slots.
    """

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table

    def now(self) -> datetime:
        """Returns Postgres's time: hosts' clocks differ."""
        with self._database.begin() as conn:
            at: datetime = conn.execute(select(func.now())).scalar_one()
        return at

    def once(self, begin: Callable[[Connection], UUID | None], work: Callable[[], Report]) -> Report | None:
        """Returns the report of `work`, which is done unless the slot has been worked off, or is being.

        Args:
            begin: enters the slot, and returns its key; None where it is not to be worked off now.
            work: returns its report as plain data; what it raises is entered, and raised.
        """
        with self._database.begin() as conn:
            key = begin(conn)
        if key is None:
            return None
        state, report, ended = "failed", {"error": "the process died"}, Event()
        alive = Thread(target=self._keep, args=(key, ended), daemon=True)
        alive.start()
        try:
            report = dict(work())
            state = "done"
        except BaseException as error:
            report = {"error": f"{type(error).__name__}: {error}"}
            raise
        finally:
            ended.set()
            alive.join()
            with self._database.begin() as conn:
                slots.end(conn, self._table, key, state, report)
        return report

    def _keep(self, key: UUID, ended: Event) -> None:
        while not ended.wait(ALIVE_SECONDS):
            try:
                with self._database.begin() as conn:
                    slots.keep(conn, self._table, key)
            except UnavailableError as error:
                log.warning("%s cannot say that they run: %s", self._table.name, error)
