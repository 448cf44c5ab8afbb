"""The nightly step: the ledger's outcomes teach challengers, and a better one takes the champion's place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np

from adaqueue.core.counterfactual import Counterfactual, counterfactual
from adaqueue.core.logged import Logged, Scope
from adaqueue.core.outcomes import Outcomes, States
from adaqueue.core.papers import Papers, ProbeRecord
from adaqueue.core.retraining import Challenger, Plan, Retraining, sides
from adaqueue.core.rule import Rule
from adaqueue.core.trial import Contestant, Drift, drift, first_draws, judge
from adaqueue.errors import BadOutcomesError, FingerprintError
from adaqueue.flows.train import FreshProbe, train
from adaqueue.ports import Probe

log = logging.getLogger(__name__)

BASELINE = "constant"
"""What a first probe must beat: it knows the population, and of a query nothing."""

FEWEST_FOR_DRIFT = 100
MOST_FOR_DRIFT = 1_000
NEWEST_FOR_DRIFT = 3_000
"""Queries that are looked through for those that the probe in use decided on."""


class OutcomeLedger(Protocol):
    """Where outcomes are."""

    def load(self, scope: Scope) -> Logged:
        """Returns the newest outcomes of the scope, oldest first."""
        ...


class Champion(Protocol):
    """The probe in use."""

    @property
    def name(self) -> str:
        """As allocations name it."""
        ...

    @property
    def papers(self) -> Papers:
        """What it may be used for."""
        ...

    @property
    def model(self) -> Probe:
        """The probe itself."""
        ...

    @property
    def rule(self) -> Rule | None:
        """What orders buying by its scores."""
        ...


class ProbeShelf(Protocol):
    """Where probes are."""

    def in_use(self, decoder: str, domain: str) -> str | None:
        """Returns the name of the probe in use, whether it can be read or not; None if there is none."""
        ...

    def champion(self, decoder: str, domain: str) -> Champion | None:
        """Returns the probe in use; None if there is none."""
        ...

    def register(
        self,
        probe: Probe,
        rule: Rule | None,
        papers: Papers,
        metrics: Mapping[str, Any],
        data: Mapping[str, Any],
    ) -> str:
        """Registers a probe as a challenger, and returns its name."""
        ...

    def show(self, name: str) -> ProbeRecord:
        """Returns what is known of a probe."""
        ...

    def succeed(self, name: str, champion: str | None, reason: str) -> bool:
        """Puts a probe into the champion's place if that is in use still; returns whether it was."""
        ...


class Workshop(Protocol):
    """Where probes are made."""

    def fit(self, head: str, outcomes: Outcomes, seed: int) -> FreshProbe:
        """Returns a probe of this head."""
        ...

    def papers(self, probe: Probe, papers: Papers) -> Papers:
        """Returns the papers of a new probe, given those of probes that read the base model's features."""
        ...

    def states(self, probe: Probe, outcomes: Outcomes) -> States | None:
        """Returns what a probe reads of queries; None where it reads prompts."""
        ...


@dataclass(frozen=True)
class Trainer:
    """Retrains probes from outcomes.

    Attributes:
        ledger: holds the outcomes.
        shelf: holds the probes.
        workshop: makes them.
        screen: leaves out what a probe with these papers and of this head must not learn from; refuses logs
            that cannot teach it anything.
    """

    ledger: OutcomeLedger
    shelf: ProbeShelf
    workshop: Workshop
    screen: Callable[[Logged, Papers, str], Logged]

    def retrain(self, scope: Scope, papers: Papers, plan: Plan) -> Retraining:
        """Trains challengers on a scope's outcomes; promotes the best, if it is significantly better.

        Whoever judges has not taught: a quarter of all prompts, by their hash, is never learnt from, and
        decides between champion and challengers.

        Args:
            scope: which outcomes.
            papers: of probes that read the base model's features.
            plan: see `Plan`.
        """
        in_use = self.shelf.in_use(papers.decoder, papers.domain)
        champion = self._champion(papers)
        logged = self.ledger.load(scope)
        name = None if champion is None else champion.name
        challengers, refusals = [], []
        for head in plan.heads:
            try:
                challengers.append(self._challenge(head, logged, champion, papers, plan))
            except BadOutcomesError as error:
                log.warning("no %s probe of %s is trained: %s", head, scope.domain, error)
                refusals.append(f"{head}: {error}")
        return Retraining(
            queries=int(np.count_nonzero(logged.outcomes.samples)),
            champion=name,
            drift=drift_of(logged, name),
            data=asdict(logged.provenance),
            challengers=tuple(challengers),
            promoted=self._promote(challengers, in_use) if plan.promotes else None,
            refusal="; ".join(refusals),
        )

    def drift(self, scope: Scope, papers: Papers) -> Drift | None:
        """Returns how the probe in use agrees with first draws; None where they are too few."""
        champion = self._champion(papers)
        newest = replace(scope, most=min(scope.most, NEWEST_FOR_DRIFT))
        return None if champion is None else drift_of(self.ledger.load(newest), champion.name)

    def counterfactual(
        self, scope: Scope, papers: Papers, budgets: Sequence[int], *, with_probe: bool
    ) -> Counterfactual:
        """Returns what other policies would have won and spent on a scope's queries.

        Args:
            scope: which queries.
            papers: of probes that read the base model's features.
            budgets: average budgets, increasing.
            with_probe: whether the probe in use is asked too, on the queries that came after those that
                taught it.

        Raises:
            NoSupportError: too few were explored.
        """
        champion = self._champion(papers) if with_probe else None
        if champion is None:
            return counterfactual(self.ledger.load(scope), None, budgets)
        logged = self.ledger.load(replace(scope, since=_after(self.shelf.show(champion.name))))
        return counterfactual(logged, self._word(champion.model, champion.rule, logged.outcomes), budgets)

    def _champion(self, papers: Papers) -> Champion | None:
        """The probe in use; one that cannot be read, or does not fit what there is today, has no word."""
        try:
            champion = self.shelf.champion(papers.decoder, papers.domain)
        except FingerprintError as error:
            log.warning("the probe in use counts as none: %s", error)
            return None
        return None if champion is None or champion.papers.refusal_on_base(papers) else champion

    def _challenge(
        self, head: str, logged: Logged, champion: Champion | None, papers: Papers, plan: Plan
    ) -> Challenger:
        drawn = self._drawn(head, logged, papers)
        left_out = int(np.count_nonzero(logged.outcomes.samples)) - len(drawn)
        if len(drawn) < plan.fewest:
            others = f", and on {left_out} decided what it does not read" if left_out else ""
            raise BadOutcomesError(f"{len(drawn)} drawn queries are fewer than {plan.fewest}{others}")
        taught, judging = (drawn.take(rows) for rows in sides(drawn))
        if not len(judging):
            raise BadOutcomesError("no prompt is held out to judge: queries are too few, or too much alike")
        trained = train(head, taught, self.workshop.fit, plan.seed)
        against = self._word_in_use(champion, logged, papers, judging, plan.seed)
        own = self._word(trained.probe, trained.rule, judging)
        trial = judge(own, against, judging, plan.seed, challengers=len(plan.heads))
        name = self.shelf.register(
            trained.probe,
            trained.rule,
            self.workshop.papers(trained.probe, papers),
            {**trained.metrics, "trial": asdict(trial), "objections": trial.objections},
            {**asdict(logged.provenance), "taught": len(taught), "not_to_be_learnt_from": left_out},
        )
        log.info("challenger %s (%s): %s", name, head, "; ".join(trial.objections) or "better")
        return Challenger(name, head, trial)

    def _drawn(self, head: str, logged: Logged, papers: Papers) -> Outcomes:
        outcomes = self.screen(logged, papers, head).outcomes
        return outcomes.take(np.flatnonzero(outcomes.samples > 0))

    def _word_in_use(
        self, champion: Champion | None, logged: Logged, papers: Papers, judging: Outcomes, seed: int
    ) -> Contestant:
        if champion is not None:
            return self._word(champion.model, champion.rule, judging)
        known = self._drawn(BASELINE, logged, papers)
        constant = train(BASELINE, known.take(sides(known)[0]), self.workshop.fit, seed)
        return self._word(constant.probe, constant.rule, judging)

    def _word(self, probe: Probe, rule: Rule | None, judging: Outcomes) -> Contestant:
        return Contestant(probe.predict(self.workshop.states(probe, judging), judging.prompts), rule)

    def _promote(self, challengers: Sequence[Challenger], in_use: str | None) -> str | None:
        better = [one for one in challengers if not one.trial.objections]
        if not better:
            return None
        best = max(better, key=lambda one: one.trial.gain)
        reason = f"{best.trial.gain:+.4f} nats a query on held-out queries"
        if self.shelf.succeed(best.name, in_use, reason):
            return best.name
        log.warning("%s is not promoted: while it was judged, another probe was put into use", best.name)
        return None


def _after(record: ProbeRecord) -> datetime | None:
    """When the last query came that may have taught a probe; None where no query of the ledger did."""
    last = record.data.get("last")
    return None if last is None else datetime.fromisoformat(last) + timedelta(microseconds=1)


def drift_of(logged: Logged, champion: str | None) -> Drift | None:
    """Returns how a probe's newest predictions agree with first draws; None where they are too few."""
    own = [
        row for row, name in enumerate(logged.probes) if name == champion and logged.outcomes.samples[row] > 0
    ]
    if len(own) < FEWEST_FOR_DRIFT:
        return None
    newest = logged.take(np.array(own[-MOST_FOR_DRIFT:]))
    found = drift(newest.beliefs.success, first_draws(newest.outcomes))
    if found.is_alarm:
        said = f"predicted success {found.predicted:.3f}, observed {found.observed:.3f}"
        log.warning("probe %s has drifted: %s, calibration error %.3f", champion, said, found.error)
    return found
