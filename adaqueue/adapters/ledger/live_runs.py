"""Runs that evaluate the system: given to its inbox little by little, awaited, and read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.results import PostgresResults
from adaqueue.adapters.sql import features, queries
from adaqueue.core.arrivals import Arrival
from adaqueue.core.errands import Errand, Ran
from adaqueue.core.query import Query
from adaqueue.core.sequential import HAZARDS
from adaqueue.core.specs import Run

PAUSE_SECONDS = 0.1
MOST_SAMPLES = 256
"""Samples that a run of an evaluation keeps waiting: of the order of one response of an engine."""

MOST_QUERIES = 128
"""Queries that it keeps waiting where rounds, which give way, decide what they draw."""


class Gate(Protocol):
    """Where queries are admitted."""

    def admit(self, arrivals: Sequence[Arrival]) -> Sequence[object]:
        """Admits arrivals in order; what the answer leaves out found no room."""
        ...


class LiveRuns:
    """Gives queries to the system as evaluations.

    Args:
        database: the ledger's Postgres.
        inbox: admits queries.
        new_run: makes the run of an errand, which evaluates.
        champions: says which probe is in use for a domain.
        model: name of the model that draws.
    """

    def __init__(
        self,
        database: Database,
        inbox: Gate,
        new_run: Callable[[Errand], Run],
        champions: Callable[[str], Any],
        model: str,
    ) -> None:
        self._database = database
        self._results = PostgresResults(database)
        self._inbox = inbox
        self._new_run = new_run
        self.champion = champions
        self.model = model

    def run(self, errand: Errand, asked: Sequence[Query]) -> Ran:
        """Gives queries, waits until they have ended, and returns what became of them, see `LiveSystem`.

        What an earlier attempt has given is not given again: the ids are the same.
        """
        run = self._results.open_run(self._new_run(errand))
        self._results.seal_run(run.id, len(asked))
        ids = [str(query.id) for query in asked]
        left = [Arrival(uuid7(), run.id, query) for query in asked]
        while left or len(results := self._results.closed(run.id, ids)) < len(asked):
            room = self._room(run) if left else 0
            left = left[len(self._inbox.admit(left[:room])) :] if room else left
            time.sleep(PAUSE_SECONDS)
        return Ran(results, self._results.drawn(run.id))

    def vectors(self, errand: Errand, fingerprint: str) -> Mapping[str, bytes]:
        """Returns the states of a run's queries, see `LiveSystem`."""
        run = self._results.open_run(self._new_run(errand))
        with self._database.begin() as conn:
            return features.of_run(conn, run.id, fingerprint)

    def close(self, errand: Errand) -> None:
        """Closes a run, see `LiveSystem`."""
        self._results.close_run(self._results.open_run(self._new_run(errand)).id)

    def _room(self, run: Run) -> int:
        """How many queries may follow now: those of others never wait behind many of an evaluation."""
        decided_at_once = run.policy not in HAZARDS
        states = ["features", "window", *(["sampling"] if decided_at_once else [])]
        most = max(int(MOST_SAMPLES // max(run.average_budget, 1)), 1) if decided_at_once else MOST_QUERIES
        with self._database.begin() as conn:
            return max(most - queries.count_in(conn, run.id, states), 0)
