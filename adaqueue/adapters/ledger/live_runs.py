"""Runs that evaluate the system: given to its inbox little by little, awaited, and read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from uuid_utils.compat import uuid7

from adaqueue.adapters.inbox import Admission
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.results import PostgresResults
from adaqueue.adapters.sql import features, queries, samples
from adaqueue.core.arrivals import Arrival
from adaqueue.core.errands import Errand, Ran
from adaqueue.core.query import Query
from adaqueue.core.records import Result
from adaqueue.core.sequential import HAZARDS
from adaqueue.core.specs import Run
from adaqueue.errors import ConflictError, UnavailableError

PAUSE_SECONDS = 0.1
MOST_SAMPLES = 256
"""Samples that a run of an evaluation keeps waiting: of the order of one response of an engine."""

MOST_QUERIES = 128
"""Queries that it keeps waiting where rounds, which give way, decide what they draw."""


STALLED_SECONDS = 1_800.0
"""After so long without any movement a run is given up: slow is not stuck, and stuck is not for ever."""

LOOKS = 20
"""How often a run's movement is looked at in that time: its samples are many to count."""


class Gate(Protocol):
    """Where queries are admitted."""

    def admit(self, arrivals: Sequence[Arrival]) -> Sequence[Admission]:
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
        stalled_seconds: see `STALLED_SECONDS`.
    """

    def __init__(
        self,
        database: Database,
        inbox: Gate,
        new_run: Callable[[Errand], Run],
        champions: Callable[[str], Any],
        model: str,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._database = database
        self._results = PostgresResults(database)
        self._inbox = inbox
        self._new_run = new_run
        self.champion = champions
        self.model = model
        self._stalled_seconds = stalled_seconds

    def run(self, errand: Errand, asked: Sequence[Query]) -> Ran:
        """Gives queries, waits until they have ended, and returns what became of them, see `LiveSystem`.

        What an earlier attempt has given is not given again: the ids are the same.

        Args:
            errand: names the run.
            asked: queries of different ids.

        Raises:
            ConflictError: the run has a query of the same id and other content.
            UnavailableError: nothing moves: no query ends, none finds room, no sample is drawn.
        """
        run = self._results.open_run(self._new_run(errand))
        self._results.seal_run(run.id, len(asked))
        left, closed = [Arrival(uuid7(), run.id, query) for query in asked], self._closed(run.id, asked)
        moves = _Movement(self._stalled_seconds)
        while left or len(closed) < len(asked):
            room = self._room(run) if left else 0
            left = left[_admitted(self._inbox.admit(left[:room]), left) :] if room else left
            time.sleep(PAUSE_SECONDS)
            closed = self._closed(run.id, asked)
            if moves.is_due() and not moves.on((len(left), len(closed), self._samples(run.id))):
                raise UnavailableError(_stuck(run, self._stalled_seconds, len(asked), len(closed), len(left)))
        return Ran(list(closed.values()), self._results.drawn(run.id))

    def vectors(self, errand: Errand, fingerprint: str) -> Mapping[str, bytes]:
        """Returns the states of a run's queries, see `LiveSystem`."""
        run = self._results.open_run(self._new_run(errand))
        with self._database.begin() as conn:
            return features.of_run(conn, run.id, fingerprint)

    def close(self, errand: Errand) -> None:
        """Closes a run, see `LiveSystem`."""
        self._results.close_run(self._results.open_run(self._new_run(errand)).id)

    def _closed(self, run_id: UUID, asked: Sequence[Query]) -> dict[str, Result]:
        """Returns how those that have ended did, by id; what others gave under such an id is no result."""
        contents = {str(query.id): query.content_hash() for query in asked}
        found = self._results.closed(run_id, contents)
        return {result.id: result for result in found if result.content == contents[result.id]}

    def _samples(self, run_id: UUID) -> int:
        with self._database.begin() as conn:
            return samples.count_of_run(conn, run_id)

    def _room(self, run: Run) -> int:
        """How many queries may follow now: those of others never wait behind many of an evaluation."""
        decided_at_once = run.policy not in HAZARDS
        states = ["features", "window", *(["sampling"] if decided_at_once else [])]
        most = max(int(MOST_SAMPLES // max(run.average_budget, 1)), 1) if decided_at_once else MOST_QUERIES
        with self._database.begin() as conn:
            return max(most - queries.count_in(conn, run.id, states), 0)


class _Movement:
    """Whether something has moved in so many seconds.

    Args:
        seconds: without movement that are too long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._moved_at = self._looked_at = time.monotonic()
        self._seen: Hashable = None

    def is_due(self) -> bool:
        """Whether it is time for another look."""
        return time.monotonic() - self._looked_at >= self._seconds / LOOKS

    def on(self, state: Hashable) -> bool:
        """Notes a look; returns whether there is still hope."""
        self._looked_at = time.monotonic()
        if state != self._seen:
            self._seen, self._moved_at = state, self._looked_at
        return self._looked_at - self._moved_at < self._seconds


def _admitted(said: Sequence[Admission], given: Sequence[Arrival]) -> int:
    """Returns how many of those given are in."""
    for admission, arrival in zip(said, given, strict=False):
        if admission.status == "conflict":
            remedy = f"run {arrival.run_id} has it with other content: measure the suite as another night"
            raise ConflictError("id", arrival.query.id, remedy)
    return len(said)


def _stuck(run: Run, seconds: float, asked: int, closed: int, left: int) -> str:
    return (
        f"run {run.name!r}: nothing has moved for {seconds / 60:g} minutes: {asked - closed} of {asked} "
        f"queries have not ended, {left} of them found no room: see `adaqueue status` and the logs of "
        "ingest, features, scheduler, samplers and verifiers"
    )
