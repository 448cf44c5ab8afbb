"""The nightly run: every suite is measured, compared with the nights before, and entered in the ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from adaqueue.core.alarms import alarms_of
from adaqueue.core.regressions import as_rows, compared
from adaqueue.core.suites import Measured, Suite
from adaqueue.errors import AdaQueueError

log = logging.getLogger(__name__)

NIGHTS = 7
"""Last nights that make the mean with which a night is compared."""

Measure = Callable[[Suite, str], Measured]
"""Suite, name of the night -> its figures."""

UNREAD = "unread"
"""Basis of a suite whose files cannot be read."""


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

    def attempt(self, suite: Suite, night: str) -> str | None:
        """Measures a suite as `evaluate` does; returns why it could not be, else None.

        Whatever is wrong with a suite, the others of the night have their turn.
        """
        try:
            self.evaluate(suite, night)
        except AdaQueueError as error:
            return str(error)
        except Exception as error:
            log.exception("%s, night %s: an unexpected fault", suite.name, night)
            return f"{type(error).__name__}: {error}"
        return None

    def evaluate(self, suite: Suite, night: str) -> Mapping[str, Any] | None:
        """Measures a suite once in a night; returns its report, None where it has been done, or is being.

        Raises:
            AdaQueueError: it could not be measured; it is in the books, and tried again by whoever asks next.
        """
        basis, fault = self._basis(suite)

        def work() -> Mapping[str, Any]:
            if fault is not None:
                raise fault
            return self._work(suite, night, basis)

        report = self.books.once(suite.name, night, basis, work)
        log.info("%s, night %s: %s", suite.name, night, "done before" if report is None else "done")
        for words in () if report is None else bad_news(report):
            log.error("%s, night %s: %s", suite.name, night, words)
        return report

    def _basis(self, suite: Suite) -> tuple[str, AdaQueueError | None]:
        """The basis; where files cannot be read, why: it is told inside the work, which is in the books."""
        try:
            return suite.basis([self.digest(file) for file in suite.files]), None
        except AdaQueueError as error:
            return UNREAD, error

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


def page_of(reports: Sequence[Mapping[str, Any]], failed: Mapping[str, str]) -> dict[str, Any]:
    """Returns what a night's page shows: each suite, measured or not.

    Args:
        reports: of suites that were measured.
        failed: why others were not, by name.
    """
    sets = {name: _shown(data) for name, data in figures_of(reports)["sets"].items()}
    return {"sets": {**sets, **{suite: {"error": words} for suite, words in failed.items()}}}


def _shown(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A set as a page shows it: one of live runs alone, as of chats, has no policy to be drawn."""
    if data.get("policies") or "error" in data:
        return data
    reached = "; ".join(
        f"{policy} at B={budget}: {cell['reward']:.3f}"
        for policy, row in (data.get("live") or {}).items()
        for budget, cell in row.items()
        if cell.get("reward") is not None
    )
    words = f"policies are not replayed on these rewards; what the live runs reached: {reached or 'nothing'}"
    return {**data, "error": words}
