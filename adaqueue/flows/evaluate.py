"""One set of recorded outcomes from its rows to its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from adaqueue.core.chat_replay import evaluate_rewards
from adaqueue.core.evaluation import Evaluation, Plan, Prepared, Progress, evaluate
from adaqueue.core.marginal import IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.recorded import RecordedQuery, is_binary, metadata_rows, outcomes_of
from adaqueue.errors import BadOutcomesError

BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SPLITS = (2, 10)
SPLIT_QUERIES = 20_000
"""Ways to split times queries: the more queries, the less hangs on how they are split."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose.

    Attributes:
        budgets: average budgets; None: powers of two up to half of the samples that every query has.
        folds: at least 2.
        seeds: ways to split; None: 10, fewer for more than 2,000 queries.
        metadata: pieces of metadata that the probe reads too.
    """

    budgets: tuple[int, ...] | None
    folds: int
    seeds: int | None
    metadata: tuple[str, ...]


class Workshop(Protocol):
    """Where the probes of a set are made."""

    def near_duplicates(self, prompts: Sequence[str]) -> IntArray:
        """Returns a number for each prompt, the same for prompts of nearly the same words."""
        ...

    def prepare(
        self, outcomes: Outcomes, metadata: Sequence[Sequence[float | str]], on_progress: Progress
    ) -> Prepared:
        """Returns the set's probes, with what they read of the prompts computed, and nothing fitted.

        Raises:
            EngineError: a model broke on a prompt.
        """
        ...


@dataclass(frozen=True, eq=False)
class Report:
    """What became of a set.

    Attributes:
        queries: evaluated.
        groups: of them.
        samples: that every query has: replay goes no further.
        plan: budgets, folds and splits.
        cut: prompts that were cut.
        evaluation: the figures.
        kind: `binary`, rewards are verdicts, 0 and 1; `real`, they are grades.
    """

    queries: int
    groups: int
    samples: int
    plan: Plan
    cut: int
    evaluation: Evaluation
    kind: str


def report_on(
    queries: Sequence[RecordedQuery], workshop: Workshop, options: Options, on_progress: Progress
) -> Report:
    """Returns every policy's figures on the queries.

    Raises:
        BadOutcomesError: there are too few queries, groups or samples; says how many are needed.
        EngineError: a model broke on a prompt.
    """
    if not queries:
        raise BadOutcomesError("no row of recorded outcomes: nothing to evaluate")
    plain = outcomes_of(queries, workshop.near_duplicates)
    plan = _plan(plain, options)
    groups, samples = len(np.unique(plain.groups)), int(plain.samples.min())
    if not is_binary(plain):
        found = evaluate_rewards(plain, plan, on_progress)
        return Report(len(plain), groups, samples, plan, 0, found, "real")
    prepared = workshop.prepare(plain, metadata_rows(queries, options.metadata), on_progress)
    found = evaluate(plain, prepared, plan, on_progress)
    return Report(len(plain), groups, samples, plan, prepared.cut, found, "binary")


def _plan(outcomes: Outcomes, options: Options) -> Plan:
    groups, draws = len(np.unique(outcomes.groups)), int(outcomes.samples.min())
    if groups < 2 * options.folds:
        raise BadOutcomesError(
            f"folds: {options.folds}: need {2 * options.folds} groups of queries, named or near duplicates, "
            f"not {groups} of {len(outcomes)} queries: give more queries, or fewer folds"
        )
    budgets = options.budgets or tuple(budget for budget in BUDGETS if budget <= draws / 2)
    if not budgets or budgets[-1] > draws:
        fewest = outcomes.ids[int(outcomes.samples.argmin())]
        least = budgets[-1] if budgets else 2
        raise BadOutcomesError(
            f"budgets: {fewest} has {draws} samples, and {least} are needed, better twice as many: give "
            "smaller budgets, or leave out what has few samples"
        )
    few, many = SPLITS
    seeds = options.seeds or int(np.clip(SPLIT_QUERIES // len(outcomes), few, many))
    return Plan(budgets, options.folds, seeds)
