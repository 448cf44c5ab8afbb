"""Outcomes as the ledger logged them: who decided on each query, knowing what, and where they come from."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.exploration import reach
from adaqueue.core.marginal import BoolArray, FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes


@dataclass(frozen=True, slots=True)
class Scope:
    """Which outcomes are asked for.

    Attributes:
        decoder: model that drew.
        domain: of the queries.
        sampling: fingerprint of how it drew.
        features: fingerprint of the hidden states; None: prompts are enough, no states are returned.
        most: newest queries, so many at most.
        since: came at this time or later; None: whenever.
    """

    decoder: str
    domain: str
    sampling: str
    features: str | None
    most: int
    since: datetime.datetime | None = None


@dataclass(frozen=True)
class Provenance:
    """Where outcomes come from; all of it is plain data, `dataclasses.asdict` gives JSON.

    Attributes:
        queries: so many.
        first: when the oldest came, ISO 8601; None where there is none.
        last: when the newest came.
        runs: ids of their runs.
        policies: queries by the policy that decided on them, `exploration` apart.
        probes: queries by the probe that decided on them.
        verifiers: verified samples by verifier and version.
        error_rates: for each audited verifier among them, `VERIFIER by AUDITOR`: its (errors, checked) as
            `false_accepts` and `false_rejects`.
        left_out: queries that were left out, by reason.
    """

    queries: int = 0
    first: str | None = None
    last: str | None = None
    runs: tuple[str, ...] = ()
    policies: Mapping[str, int] = field(default_factory=dict)
    probes: Mapping[str, int] = field(default_factory=dict)
    verifiers: Mapping[str, int] = field(default_factory=dict)
    error_rates: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Law:
    """By which law budgets were, or would have been, explored; shape (n,) each, see `exploration.reach`.

    Attributes:
        average_budget: of the query's run.
        least: samples that the query is promised.
        most: samples that it may have.
    """

    average_budget: FloatArray
    least: IntArray
    most: IntArray

    def reach(self, b: int) -> FloatArray:
        """Returns the chance that an explored budget is at least j = 1..b, shape (n, b)."""
        return reach(self.average_budget, self.least, self.most, b)

    def take(self, rows: IntArray) -> Law:
        """Returns the chosen queries' law."""
        return Law(self.average_budget[rows], self.least[rows], self.most[rows])


@dataclass(frozen=True, eq=False)
class Logged:
    """Outcomes of n queries with the decisions that led to them, a row each.

    Attributes:
        outcomes: of queries that drew, and of those that drew nothing.
        windows: number of the window in which each came in, shape (n,).
        probes: name of the probe that decided, `prior` where none did.
        reads: fingerprint of the features that this probe read; None where the budget depended on nothing of
            the query's content: under the prior, and under uniform policies.
        beliefs: what that probe said; its score is `beliefs.score`.
        budgets: samples granted, 0 where the query abstained, shape (n,).
        explorable: whether the budget might have been random, shape (n,).
        explored: whether it was, shape (n,).
        propensities: chance of the budget, 1 where it was not random, shape (n,).
        law: of random budgets.
        provenance: of all of them.
    """

    outcomes: Outcomes
    windows: IntArray
    probes: tuple[str, ...]
    reads: tuple[str | None, ...]
    beliefs: Beliefs
    budgets: IntArray
    explorable: BoolArray
    explored: BoolArray
    propensities: FloatArray
    law: Law
    provenance: Provenance

    def __post_init__(self) -> None:
        columns = (self.windows, self.probes, self.reads, self.budgets, self.explorable, self.explored)
        others = (self.propensities, self.beliefs.alpha, self.law.most)
        lengths = {len(column) for column in (*columns, *others)}
        if lengths != {len(self.outcomes)}:
            raise ValueError(f"{len(self.outcomes)} queries need as many of each, not {sorted(lengths)}")

    def __len__(self) -> int:
        """Returns n."""
        return len(self.outcomes)

    def take(self, rows: IntArray) -> Logged:
        """Returns the chosen queries, in the order given, with the provenance of all."""
        said = self.beliefs
        return replace(
            self,
            outcomes=self.outcomes.take(rows),
            windows=self.windows[rows],
            probes=tuple(self.probes[row] for row in rows),
            reads=tuple(self.reads[row] for row in rows),
            beliefs=Beliefs(said.alpha[rows], said.beta[rows], said.zero[rows], said.tokens[rows]),
            budgets=self.budgets[rows],
            explorable=self.explorable[rows],
            explored=self.explored[rows],
            propensities=self.propensities[rows],
            law=self.law.take(rows),
        )
