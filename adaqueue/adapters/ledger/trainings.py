"""The trainer's books: what was trained when, and once for each slot of the schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.slots import Slots
from adaqueue.adapters.sql import feature_specs, slots
from adaqueue.core.specs import FeatureSpec


class PostgresTrainings:
    """Begins and ends trainings.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._slots = Slots(database, slots.TRAININGS)

    def now(self) -> datetime:
        """Returns Postgres's time: hosts' clocks differ."""
        return self._slots.now()

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
        return self._slots.once(lambda conn: slots.begin_training(conn, decoder, domain, slot), work)
