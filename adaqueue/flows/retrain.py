"""The nightly step: the ledger's outcomes teach challengers, and a better one takes the champion's place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from adaqueue.core.logged import Logged, Scope
from adaqueue.core.outcomes import Outcomes, States
from adaqueue.core.papers import Papers
from adaqueue.core.retraining import Challenger, Plan, Retraining, held_out
from adaqueue.core.rule import Rule
from adaqueue.core.trial import Contestant, Drift, drift, first_draws, judge
from adaqueue.errors import BadOutcomesError
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

    def promote(self, name: str, reason: str) -> object:
        """Puts a probe into use."""
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
        screen: leaves out what probes with these papers and of these heads must not learn from; refuses logs
            that cannot teach them anything.
    """

    ledger: OutcomeLedger
    shelf: ProbeShelf
    workshop: Workshop
    screen: Callable[[Logged, Papers, Sequence[str]], Logged]

    def retrain(self, scope: Scope, papers: Papers, plan: Plan) -> Retraining:
        """Trains challengers on a scope's outcomes; promotes the best, if it is significantly better.

        Whoever judges has not taught: a quarter of all prompts, by their hash and with their near duplicates,
        is never learnt from, and decides between champion and challengers.

        Args:
            scope: which outcomes.
            papers: of the challengers.
            plan: see `Plan`.
        """
        champion = self._champion(papers)
        logged = self.ledger.load(scope)
        name = None if champion is None else champion.name
        found = Retraining(len(logged), name, drift_of(logged, name), asdict(logged.provenance))
        try:
            outcomes = self.screen(logged, papers, plan.heads).outcomes
            drawn = outcomes.take(np.flatnonzero(outcomes.samples > 0))
            if len(drawn) < plan.fewest:
                raise BadOutcomesError(f"{len(drawn)} drawn queries are fewer than {plan.fewest}")
            challengers = self._challenge(drawn, papers, champion, plan, found.data)
        except BadOutcomesError as error:
            log.warning("no probe of %s is trained: %s", scope.domain, error)
            return replace(found, refusal=str(error))
        promoted = self._promote(challengers) if plan.promotes else None
        return replace(found, queries=len(drawn), challengers=tuple(challengers), promoted=promoted)

    def drift(self, scope: Scope, papers: Papers) -> Drift | None:
        """Returns how the probe in use agrees with first draws; None where they are too few."""
        champion = self._champion(papers)
        newest = replace(scope, most=min(scope.most, NEWEST_FOR_DRIFT))
        return None if champion is None else drift_of(self.ledger.load(newest), champion.name)

    def _champion(self, papers: Papers) -> Champion | None:
        """The probe in use; one that fits today's features and sampling no more has no word to say."""
        champion = self.shelf.champion(papers.decoder, papers.domain)
        if champion is None or champion.papers.of_base_model.refusal(papers.features, papers.sampling):
            return None
        return champion

    def _challenge(
        self,
        drawn: Outcomes,
        papers: Papers,
        champion: Champion | None,
        plan: Plan,
        data: Mapping[str, Any],
    ) -> list[Challenger]:
        judges = held_out(drawn)
        taught, judging = drawn.take(np.flatnonzero(~judges)), drawn.take(np.flatnonzero(judges))
        if not len(judging):
            raise BadOutcomesError("no prompt is held out to judge: the queries are too much alike")
        against = self._word_in_use(champion, taught, judging, plan.seed)
        return [self._train(head, taught, judging, against, (papers, data, plan.seed)) for head in plan.heads]

    def _train(
        self,
        head: str,
        taught: Outcomes,
        judging: Outcomes,
        against: Contestant,
        given: tuple[Papers, Mapping[str, Any], int],
    ) -> Challenger:
        papers, data, seed = given
        trained = train(head, taught, self.workshop.fit, seed)
        trial = judge(self._word(trained.probe, trained.rule, judging), against, judging, seed)
        metrics = {**trained.metrics, "trial": asdict(trial), "objections": trial.objections}
        own = self.workshop.papers(trained.probe, papers)
        name = self.shelf.register(trained.probe, trained.rule, own, metrics, data)
        log.info("challenger %s (%s): %s", name, head, "; ".join(trial.objections) or "better")
        return Challenger(name, head, trial)

    def _word_in_use(
        self, champion: Champion | None, taught: Outcomes, judging: Outcomes, seed: int
    ) -> Contestant:
        if champion is not None:
            return self._word(champion.model, champion.rule, judging)
        constant = train(BASELINE, taught, self.workshop.fit, seed)
        return self._word(constant.probe, constant.rule, judging)

    def _word(self, probe: Probe, rule: Rule | None, judging: Outcomes) -> Contestant:
        return Contestant(probe.predict(self.workshop.states(probe, judging), judging.prompts), rule)

    def _promote(self, challengers: Sequence[Challenger]) -> str | None:
        better = [one for one in challengers if not one.trial.objections]
        if not better:
            return None
        best = max(better, key=lambda one: one.trial.gain)
        self.shelf.promote(best.name, f"{best.trial.gain:+.4f} nats a query on held-out queries")
        return best.name


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
