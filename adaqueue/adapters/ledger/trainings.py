"""The trainer's books: what was trained when, and once for each slot of the schedule."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import Event, Thread
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import feature_specs, trainings
from adaqueue.core.specs import FeatureSpec
from adaqueue.errors import UnavailableError

log = logging.getLogger(__name__)

ALIVE_SECONDS = 20.0


class PostgresTrainings:
    """Begins and ends trainings.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> datetime:
        """Returns Postgres's time: hosts' clocks differ."""
        with self._database.begin() as conn:
            at: datetime = conn.execute(select(func.now())).scalar_one()
        return at

    def newest_features(self, model: str) -> FeatureSpec | None:
        """Returns the specification of the newest features of a model; None if it has none yet."""
        with self._database.begin() as conn:
            found = feature_specs.newest(conn, model)
        return None if found is None else FeatureSpec(**found)

    def once(
        self, decoder: str, domain: str, slot: str | None, work: Callable[[], Mapping[str, Any]]
    ) -> Mapping[str, Any] | None:
        """Returns the report of `work`, which is done unless the slot has been worked off, or is being.

        Args:
            decoder: model whose queries they are.
            domain: of the queries.
            slot: of the schedule; None is always worked off.
            work: returns its report as plain data; what it raises is entered, and raised.
        """
        with self._database.begin() as conn:
            key = trainings.begin(conn, decoder, domain, slot)
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
                trainings.end(conn, key, state, report)
        return report

    def _keep(self, key: UUID, ended: Event) -> None:
        while not ended.wait(ALIVE_SECONDS):
            try:
                with self._database.begin() as conn:
                    trainings.keep(conn, key)
            except UnavailableError as error:
                log.warning("a training cannot say that it runs: %s", error)
