"""The nightly run: who measures the suites, on what, and when."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from uuid_utils.compat import uuid7

from adaqueue.adapters.celery_app import EVALUATE_QUEUE, add_slot_task, make_app, serve
from adaqueue.adapters.cron import last_due, schedule_of
from adaqueue.adapters.heartbeat import Heartbeat
from adaqueue.adapters.ledger.evaluations import Evaluation, PostgresEvaluations
from adaqueue.adapters.ledger.live_runs import LiveRuns
from adaqueue.adapters.suites_file import digest_of, read_suites
from adaqueue.core.errands import Errand
from adaqueue.core.query import Query
from adaqueue.core.specs import EVALUATION, Run
from adaqueue.core.suites import LIVE, RECORDED, Measured, Suite
from adaqueue.errors import SettingsError, UnavailableError
from adaqueue.flows.live_suites import LiveSuites
from adaqueue.flows.nightly import Evaluator, bad_news, figures_of, page_of, regressions
from adaqueue.settings import Settings
from adaqueue.wiring.addresses import addresses, ledger
from adaqueue.wiring.clients import ClientServices, client_services
from adaqueue.wiring.processes import registry, start
from adaqueue.wiring.reports import write_report
from adaqueue.wiring.trainer import EVALUATE, EVALUATE_AGAIN, near_duplicates

__all__ = [
    "Evaluation",
    "Hands",
    "NightDesk",
    "bad_news",
    "figures_of",
    "night_desk",
    "page_of",
    "regressions",
    "run_evaluator",
]

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 1_800.0
PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Hands:
    """What `adaqueue evaluate` has and the nightly run needs.

    Attributes:
        replay: figures of a recorded suite.
        read: queries of a file, each with an id.
        source: where a file's figures come from.
        versions: of what computes figures.
    """

    replay: Callable[[Suite], Mapping[str, Mapping[str, Any]]]
    read: Callable[[str], Sequence[Query]]
    source: Callable[[str], Mapping[str, Any]]
    versions: Callable[[], Mapping[str, str]]


@dataclass(frozen=True)
class NightDesk:
    """What a person works with.

    Attributes:
        suites: as the file declares them; empty where none is given.
        evaluator: measures them.
        books: what was measured.
    """

    suites: Sequence[Suite]
    evaluator: Evaluator
    books: PostgresEvaluations

    def chosen(self, names: Sequence[str]) -> list[Suite]:
        """Returns the suites of these names, all where none is given.

        Raises:
            SettingsError: there is no such suite, or no file of suites.
        """
        if not self.suites:
            raise SettingsError("evaluate_suites: None: name a file of suites, see docs/nightly.md")
        known = {suite.name: suite for suite in self.suites}
        for name in names:
            if name not in known:
                raise SettingsError(f"suite: {name!r}: no such suite: known are {', '.join(known)}")
        return [known[name] for name in names or known]


@contextmanager
def night_desk(
    given: tuple[Path | None, Mapping[str, Any]], settings: Settings, hands: Hands
) -> Iterator[NightDesk]:
    """Yields what a person looks at, and runs, of nights.

    Args:
        given: the file of settings and those named by hand, for the client of live suites.
        settings: of the two.
        hands: see `Hands`.

    Raises:
        SettingsError: the file of suites has a fault.
        UnavailableError: no system is up, or its ledger cannot be reached.
    """
    suites = [] if settings.evaluate_suites is None else read_suites(settings.evaluate_suites)
    with ledger(settings) as database:
        books = PostgresEvaluations(database)
        with _evaluator(partial(client_services, *given), books, hands) as evaluator:
            yield NightDesk(suites, evaluator, books)


def run_evaluator(hands: Hands) -> None:
    """Works scheduled nights off until SIGTERM; one that is cut off is worked off again later."""
    settings, database = start()
    if settings.evaluate_suites is None:
        raise SettingsError("evaluate_suites: None: name a file of suites, see docs/nightly.md")
    read_suites(settings.evaluate_suites)  # refuses a bad file now rather than at night
    books = PostgresEvaluations(database)
    heartbeat = Heartbeat(database, "evaluator", settings.heartbeat_seconds)
    app = make_app(addresses(settings).broker_url)

    def work() -> None:
        with _evaluator(_patient_client, books, hands) as evaluator:
            evaluate_slot(settings, books, evaluator)

    add_slot_task(app, EVALUATE, work)
    add_slot_task(app, EVALUATE_AGAIN, work)
    try:
        serve(app, "evaluator", [EVALUATE_QUEUE], lambda: None)
    finally:
        heartbeat.stop()


def evaluate_slot(settings: Settings, books: PostgresEvaluations, evaluator: Evaluator) -> None:
    """Measures every suite, unless it has been for the newest slot of the schedule, and leaves a page."""
    assert settings.evaluate_suites is not None  # noqa: S101 - the process does not start without
    slot = f"{last_due(schedule_of('evaluate_at', settings.evaluate_at), books.now()):%Y-%m-%dT%H:%M}"
    for suite in read_suites(settings.evaluate_suites):
        fault = evaluator.attempt(suite, slot)
        if fault is not None:
            log.error("suite %s of %s failed: %s", suite.name, slot, fault)
    if settings.evaluate_reports is not None:
        _write_page(settings.evaluate_reports / slot.replace(":", ""), books.of_night(slot))


def _write_page(folder: Path, told: Sequence[Evaluation]) -> None:
    """Writes a night's page from the books, unless it is there: some process may have died before it did."""
    reports = [one.report for one in told if one.state == "done"]
    failed = {one.suite: one.missing or "" for one in told if one.state == "failed"}
    figures = page_of(reports, failed)
    if figures["sets"] and not _is_written(folder, figures):
        comparison = [row for report in reports for row in report["comparison"]]
        log.info("report: %s", write_report(folder, figures, comparison))


def _is_written(folder: Path, figures: Mapping[str, Any]) -> bool:
    """Whether a folder's page is of these figures; the page is the last of its files to be written."""
    page, data = folder / "index.html", folder / "report.json"
    try:
        whole = page.stat().st_mtime_ns >= data.stat().st_mtime_ns
        return whole and bool(json.loads(data.read_text()) == figures)
    except (FileNotFoundError, ValueError):
        return False


@contextmanager
def _evaluator(
    connect: Callable[[], ClientServices], books: PostgresEvaluations, hands: Hands
) -> Iterator[Evaluator]:
    """An evaluator; it connects to the system with the first live suite."""
    services = cache(connect)

    def live(suite: Suite, night: str) -> Measured:
        client = services()
        settings = client.settings
        if settings.engine == "replay":
            raise SettingsError("engine: 'replay': a live suite needs an engine that draws")
        probes = registry(settings, client.database)

        def new_run(errand: Errand) -> Run:
            budget = float(errand.average_budget)
            most = max(settings.b_max, errand.average_budget)
            return Run(
                uuid7(),
                errand.name,
                settings.engine,
                settings.model,
                errand.policy,
                budget,
                most,
                has_features=True,
                is_batch=True,
                purpose=EVALUATION,
            )

        champion = partial(probes.champion, settings.model)
        system = LiveRuns(client.database, client.inbox, new_run, champion, settings.model)
        suites = LiveSuites(system, hands.read, hands.source, near_duplicates, hands.versions())
        return suites.measure(suite, night)

    def recorded(suite: Suite, night: str) -> Measured:
        return Measured(hands.replay(suite), hands.versions())

    try:
        yield Evaluator(books, {LIVE: live, RECORDED: recorded}, digest_of)
    finally:
        if services.cache_info().currsize:
            services().close()


def _patient_client() -> ClientServices:
    """Returns what a client needs, once a sampler is up: a model loads for long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return client_services(None, {})
        except UnavailableError as error:
            if time.monotonic() > deadline:
                raise
            log.info("%s: the night waits", error)
            time.sleep(PAUSE_SECONDS)
