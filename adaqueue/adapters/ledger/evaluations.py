"""The evaluator's books: which suite was measured on which night, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.slots import Slots
from adaqueue.adapters.sql import slots


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One suite of one night.

    Attributes:
        suite: its name.
        night: a minute of the schedule, or the second at which somebody asked for it.
        state: running, done, failed.
        report: figures, comparison and alarms; where it failed, `error`.
        started_at: by Postgres's clock.
        alive_at: when its process last said that it is at it.
        ended_at: None while it runs.
    """

    suite: str
    night: str
    state: str
    report: Mapping[str, Any]
    started_at: datetime
    alive_at: datetime
    ended_at: datetime | None

    @property
    def missing(self) -> str | None:
        """Why there are no figures: it failed, or still runs; None: there are."""
        if self.state == "failed":
            return f"failed: {self.report.get('error', 'nobody knows why')}"
        if self.state == "running":
            began, heard = (f"{at.astimezone(UTC):%H:%M:%S}" for at in (self.started_at, self.alive_at))
            return f"still running, since {began} UTC, last heard of at {heard}"
        return None


class PostgresEvaluations:
    """Begins and ends evaluations, and finds them again.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._slots = Slots(database, slots.EVALUATIONS)

    def now(self) -> datetime:
        """Returns Postgres's time: hosts' clocks differ."""
        return self._slots.now()

    def once(
        self, suite: str, night: str, basis: str, work: Callable[[], Mapping[str, Any]]
    ) -> Mapping[str, Any] | None:
        """Returns the report of `work`, done once for each suite and night, see `NightBooks`."""
        return self._slots.once(lambda conn: slots.begin_evaluation(conn, suite, night, basis), work)

    def before(self, suite: str, night: str, basis: str, most: int) -> list[Mapping[str, Any]]:
        """Returns the reports of the last nights on the same basis, see `NightBooks`."""
        with self._database.begin() as conn:
            return [row.report for row in slots.before(conn, suite, basis, night, most)]

    def newest(self, most: int) -> list[Evaluation]:
        """Returns so many evaluations at most, the newest first."""
        with self._database.begin() as conn:
            return [_evaluation(row) for row in slots.newest_evaluations(conn, most)]

    def of_night(self, night: str) -> list[Evaluation]:
        """Returns a night's evaluations, in the order of their beginning."""
        with self._database.begin() as conn:
            return [_evaluation(row) for row in slots.evaluations_of(conn, night)]


def _evaluation(row: Row[Any]) -> Evaluation:
    at = (row.started_at, row.alive_at, row.ended_at)
    return Evaluation(row.suite, row.slot, row.state, row.report, *at)
