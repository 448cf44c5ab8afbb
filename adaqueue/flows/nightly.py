"""The nightly run: every suite is measured, compared with the nights before, and entered in the ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from adaqueue.core.alarms import alarms_of
from adaqueue.core.regressions import as_rows, compared
from adaqueue.core.suites import Measured, Suite

log = logging.getLogger(__name__)

NIGHTS = 7
"""Last nights that make the mean with which a night is compared."""

Measure = Callable[[Suite, str], Measured]
"""Suite, name of the night -> its figures."""


class NightBooks(Protocol):
    """Where nights are kept."""

    def once(
        self, suite: str, night: str, basis: str, work: Callable[[], Mapping[str, Any]]
    ) -> Mapping[str, Any] | None:
        """Returns the report of `work`, which is done unless this night's suite has been, or is being."""
        ...

    def before(self, suite: str, night: str, basis: str, most: int) -> list[Mapping[str, Any]]:
        """Returns the reports of the last nights of the suite on the same data and settings, newest first."""
        ...


@dataclass(frozen=True)
class Evaluator:
    """Measures suites.

    Attributes:
        books: keep what is found.
        measures: by kind of suite.
        digest: of a file's contents.
    """

    books: NightBooks
    measures: Mapping[str, Measure]
    digest: Callable[[str], str]

    def evaluate(self, suite: Suite, night: str) -> Mapping[str, Any] | None:
        """Measures a suite once in a night; returns its report, None where it has been done, or is being.

        Raises:
            AdaQueueError: it could not be measured; it is in the books, and tried again by whoever asks next.
        """
        digests = [self.digest(file) for file in suite.files]
        basis = suite.basis(digests)
        report = self.books.once(suite.name, night, basis, lambda: self._work(suite, night, basis))
        for words in () if report is None else bad_news(report):
            log.error("%s, night %s: %s", suite.name, night, words)
        return report

    def _work(self, suite: Suite, night: str, basis: str) -> Mapping[str, Any]:
        found = self.measures[suite.kind](suite, night)
        earlier = [
            Measured(report["sets"], report["about"])
            for report in self.books.before(suite.name, night, basis, NIGHTS)
        ]
        changed = compared(suite.name, suite.policies, found, earlier, suite.alarms.regression)
        return {
            "suite": suite.name,
            "night": night,
            "kind": suite.kind,
            "sets": found.sets,
            "about": found.about,
            "nights_before": len(earlier),
            "comparison": as_rows(changed),
            "alarms": alarms_of(found.sets, suite.alarms),
            "settings": {name: value for name, value in asdict(suite).items() if name != "alarms"},
        }


def regressions(report: Mapping[str, Any]) -> list[str]:
    """Returns what became worse, in words."""
    return [f"{row['suite']}: {row['words']}" for row in report["comparison"] if row["is_regression"]]


def bad_news(report: Mapping[str, Any]) -> list[str]:
    """Returns what somebody must be told: regressions first, then what is out of bounds; empty: nothing."""
    alarms = [f"{report['suite']}: {words}" for words in report["alarms"]]
    return [*(f"regression: {words}" for words in regressions(report)), *(f"alarm: {x}" for x in alarms)]


def figures_of(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the sets of a night's suites, as reports of figures are written."""
    return {
        "sets": {
            report["suite"] if len(report["sets"]) == 1 else f"{report['suite']}/{name}": data
            for report in reports
            for name, data in report["sets"].items()
        }
    }
