"""The trainer and its schedule: who retrains the probes, on what, and when."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any

from adaqueue.adapters.celery_app import (
    EVALUATE_QUEUE,
    TRAIN_QUEUE,
    add_slot_task,
    make_app,
    send_when_due,
    serve,
)
from adaqueue.adapters.cron import last_due, schedule_of
from adaqueue.adapters.heartbeat import Heartbeat
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.outcomes import PostgresOutcomes
from adaqueue.adapters.ledger.trainings import PostgresTrainings
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.probe_workshop import LORA, ProbeWorkshop
from adaqueue.core.counterfactual import Counterfactual
from adaqueue.core.evidence import admissible, require_every_region
from adaqueue.core.logged import Logged, Scope
from adaqueue.core.marginal import IntArray
from adaqueue.core.papers import TEXT, Papers
from adaqueue.core.query import DOMAINS
from adaqueue.core.retraining import Plan, Retraining
from adaqueue.core.trial import Drift
from adaqueue.errors import AdaQueueError, BadOutcomesError, SettingsError
from adaqueue.flows.retrain import Trainer
from adaqueue.settings import Settings
from adaqueue.wiring.addresses import addresses, ledger
from adaqueue.wiring.engines import language_model, sampling
from adaqueue.wiring.machine import trains
from adaqueue.wiring.processes import registry, start

log = logging.getLogger(__name__)

RETRAIN = "retrain"
WATCH = "watch"
WATCH_AT = "30 * * * *"
"""When predictions are compared with what came of them."""

EVALUATE = "evaluate"
EVALUATE_AGAIN = "evaluate again"
AGAIN_AT = "*/5 * * * *"
"""When a night of the suites is looked for that failed, or whose evaluator died."""

TRAINED_DOMAINS = tuple(domain for domain in DOMAINS if domain != "chat")
"""Where samples succeed or fail."""


@dataclass(frozen=True)
class ProbeDesk:
    """What a person works with.

    Attributes:
        registry: lists, shows, promotes and rolls back.
        training: retrains, and looks for drift.
    """

    registry: ProbeRegistry
    training: Training


class Training:
    """Retrains the probes of the system's model.

    Args:
        settings: of the system.
        database: the ledger's Postgres.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._books = PostgresTrainings(database)
        self._trainer = Trainer(
            PostgresOutcomes(database, near_duplicates),
            registry(settings, database),
            ProbeWorkshop(cache(partial(language_model, settings))),
            _screen,
        )

    def retrain_slot(self) -> None:
        """Retrains every domain, unless the newest slot of the schedule has been worked off."""
        schedule = schedule_of("retrain_at", self._settings.retrain_at)
        self._work_off(f"{RETRAIN} {last_due(schedule, self._books.now()):%Y-%m-%dT%H:%M}", self._report)

    def watch_slot(self) -> None:
        """Looks for drift in every domain, unless the newest slot has been worked off.

        A night that failed, or whose trainer died, is then worked off too.
        """
        schedule = schedule_of(WATCH, WATCH_AT)
        self._work_off(f"{WATCH} {last_due(schedule, self._books.now()):%Y-%m-%dT%H:%M}", self._drift_report)
        self.retrain_slot()

    def retrain(self, domain: str, plan: Plan) -> Retraining:
        """Retrains a domain now, whatever the schedule says, and enters it in the books.

        Raises:
            BadOutcomesError: the model has no features yet.
        """
        found: list[Retraining] = []

        def work() -> Mapping[str, Any]:
            found.append(self._trainer.retrain(*self._subject(domain), plan))
            return found[0].to_data()

        self._books.once(self._settings.model, domain, None, work)
        return found[0]

    def drift(self, domain: str) -> Drift | None:
        """Returns how the probe in use agrees with life; None where there is too little of it."""
        try:
            return self._trainer.drift(*self._subject(domain))
        except BadOutcomesError:
            return None

    def counterfactual(self, domain: str, budgets: Sequence[int], *, with_probe: bool) -> Counterfactual:
        """Returns what other policies would have won and spent, see `Trainer.counterfactual`.

        Raises:
            BadOutcomesError: the model has no features yet.
            NoSupportError: too few queries were explored.
        """
        return self._trainer.counterfactual(*self._subject(domain), budgets, with_probe=with_probe)

    def plan(self, heads: Sequence[str] = (), *, promotes: bool = True) -> Plan:
        """Returns the plan of the settings, with other heads if any are given."""
        named = heads or [name.strip() for name in self._settings.retrain_heads.split(",") if name.strip()]
        _check_heads(named)
        return Plan(tuple(named), self._settings.retrain_queries, promotes)

    def _subject(self, domain: str) -> tuple[Scope, Papers]:
        drawn = sampling(self._settings)
        spec = self._books.newest_features(drawn.model)
        if spec is None:
            raise BadOutcomesError(f"{drawn.model} has no features yet: give queries to a system that is up")
        papers = Papers.of(domain, spec, drawn)
        most = self._settings.retrain_most_queries
        scope = Scope(drawn.model, domain, papers.sampling_fingerprint, papers.features_fingerprint, most)
        return scope, papers

    def _work_off(self, slot: str, work: Callable[[str], Mapping[str, Any]]) -> None:
        for domain in TRAINED_DOMAINS:
            try:
                report = self._books.once(self._settings.model, domain, slot, partial(work, domain))
            except AdaQueueError as error:  # it is in the books, and the other domains have their turn
                log.error("%s of %s failed: %s", slot, domain, error)
            else:
                log.info("%s of %s: %s", slot, domain, report or "done before")

    def _report(self, domain: str) -> Mapping[str, Any]:
        try:
            scope, papers = self._subject(domain)
        except BadOutcomesError as error:
            return {"refusal": str(error)}
        return self._trainer.retrain(scope, papers, self.plan()).to_data()

    def _drift_report(self, domain: str) -> Mapping[str, Any]:
        found = self.drift(domain)
        return {"drift": None if found is None else {**asdict(found), "is_alarm": found.is_alarm}}


@contextmanager
def probe_desk(settings: Settings) -> Iterator[ProbeDesk]:
    """Yields what a person looks at and changes of probes' lives.

    Raises:
        UnavailableError: no system is up, or its ledger cannot be reached.
    """
    with ledger(settings) as database:
        yield ProbeDesk(registry(settings, database), Training(settings, database))


def run_trainer() -> None:
    """Works scheduled trainings off until SIGTERM; one that is cut off is worked off again later."""
    settings, database = start()
    training = Training(settings, database)
    training.plan()  # refuses unknown heads now rather than at night
    heartbeat = Heartbeat(database, "trainer", settings.heartbeat_seconds)
    app = make_app(addresses(settings).broker_url)
    add_slot_task(app, RETRAIN, training.retrain_slot)
    add_slot_task(app, WATCH, training.watch_slot)
    try:
        serve(app, "trainer", [TRAIN_QUEUE], lambda: None)
    finally:
        heartbeat.stop()


def run_schedule() -> None:
    """Says when probes are to be retrained and looked at, and suites to be measured, until SIGTERM."""
    settings, database = start()
    entries = scheduled(settings)
    heartbeat = Heartbeat(database, "schedule", settings.heartbeat_seconds)
    try:
        send_when_due(make_app(addresses(settings).broker_url), entries)
    finally:
        heartbeat.stop()


def scheduled(settings: Settings) -> dict[str, tuple[Any, str]]:
    """Returns what is due when, and on which queue somebody waits for it."""
    entries: dict[str, tuple[Any, str]] = {}
    if trains(settings):
        entries[WATCH] = (schedule_of(WATCH, WATCH_AT), TRAIN_QUEUE)
        entries[RETRAIN] = (schedule_of("retrain_at", settings.retrain_at), TRAIN_QUEUE)
    if settings.evaluate_suites is not None:
        entries[EVALUATE] = (schedule_of("evaluate_at", settings.evaluate_at), EVALUATE_QUEUE)
        entries[EVALUATE_AGAIN] = (schedule_of(EVALUATE_AGAIN, AGAIN_AT), EVALUATE_QUEUE)
    return entries


def near_duplicates(prompts: Sequence[str]) -> IntArray:
    """Returns a number for each prompt, the same for those of nearly the same words."""
    from adaqueue.adapters.text_features import Texts

    return Texts.of(prompts).near_duplicates_of_a_workload()


def _screen(logged: Logged, papers: Papers, head: str) -> Logged:
    """A LoRA probe reads the whole prompt, and with it whatever another probe has read of it."""
    from adaqueue.adapters.probes.heads import head_named

    reads = TEXT if head_named(head).reads == "prompts" else papers.features_fingerprint
    usable = logged if head == LORA else admissible(logged, reads)
    require_every_region(usable)
    return usable


def _check_heads(names: Sequence[str]) -> None:
    from adaqueue.adapters.probes.heads import HEADS, head_named

    for name in names:
        if not head_named(name).servable:
            known = ", ".join(name for name, head in HEADS.items() if head.servable)
            raise SettingsError(f"retrain_heads: {name!r}: cannot be put into use: choose among {known}")
