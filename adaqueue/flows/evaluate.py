"""One set of recorded outcomes from its rows to its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from adaqueue.core.chat_elsewhere import optimism_of_rewards, transferred_rewards
from adaqueue.core.chat_replay import evaluate_rewards
from adaqueue.core.evaluation import Evaluation, Plan, Predictor, Prepared, Progress, evaluate
from adaqueue.core.folds import require_groups
from adaqueue.core.optimism import Optimism, optimism
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.recorded import RecordedQuery, is_binary, metadata_rows, outcomes_of
from adaqueue.core.replays import Needed, Reached
from adaqueue.core.transfer import Transfer, together, transferred
from adaqueue.errors import BadOutcomesError
from adaqueue.flows.evaluate_routing import PairWorkshop, RoutingOptions, RoutingReport, report_on_pairs
from adaqueue.flows.evaluate_training import Taught, Training, taught_by

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
        optimism: whether to tell what deciding on the draws that score would have said.
    """

    budgets: tuple[int, ...] | None
    folds: int
    seeds: int | None
    metadata: tuple[str, ...]
    optimism: bool = False


class Workshop(PairWorkshop, Protocol):
    """Where the probes of a set are made."""

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
        transfer: the figures of what was fitted on other sets; None: there are none.
        optimism: the figures beside those of a careless evaluation; None: nobody asked.
    """

    queries: int
    groups: int
    samples: int
    plan: Plan
    cut: int
    evaluation: Evaluation
    kind: str
    transfer: Transfer | None = None
    optimism: Optimism | None = None


def report_on(
    queries: Sequence[RecordedQuery],
    workshop: Workshop,
    options: Options,
    on_progress: Progress,
    training: Training | None = None,
) -> Report | RoutingReport:
    """Returns every policy's figures on the queries, which are all of one decoder or all of two.

    Args:
        queries: of the set.
        workshop: makes its probes.
        options: of the user.
        on_progress: told of each step.
        training: other sets, whose figures of transfer are wanted as well.

    Raises:
        BadOutcomesError: there are too few queries, groups or samples; says how many are needed.
        EngineError: a model broke on a prompt.
    """
    if not queries:
        raise BadOutcomesError("no row of recorded outcomes: nothing to evaluate")
    if any(own.strong is not None for own in (*queries, *(training.queries if training else ()))):
        return _report_on_pairs(queries, workshop, options, on_progress, training)
    plain = outcomes_of(queries, workshop.near_duplicates)
    plan = _plan(plain, options)
    groups, samples = len(np.unique(plain.groups)), int(plain.samples.min())
    taught = None if training is None else taught_by(training, queries, plain, workshop.near_duplicates)
    if not is_binary(plain):
        found, carried, careless = _graded(plain, plan, taught, options, on_progress)
        return Report(len(plain), groups, samples, plan, 0, found, "real", carried, careless)
    known = plain if taught is None else together(plain, taught.outcomes)
    rows = metadata_rows([*queries, *(() if taught is None else taught.queries)], options.metadata)
    prepared = workshop.prepare(known, rows, on_progress)
    found = evaluate(plain, prepared, plan, on_progress)
    carried = (
        None
        if taught is None
        else _carried(taught, *transferred(plain, taught.outcomes, prepared.probe, plan))
    )
    careless = optimism(plain, prepared.probe, plan, found) if options.optimism else None
    return Report(len(plain), groups, samples, plan, prepared.cut, found, "binary", carried, careless)


def _graded(
    plain: Outcomes, plan: Plan, taught: Taught | None, options: Options, on_progress: Progress
) -> tuple[Evaluation, Transfer | None, Optimism | None]:
    """Returns the figures of real rewards."""
    found = evaluate_rewards(plain, plan, on_progress)
    carried = (
        None if taught is None else _carried(taught, *transferred_rewards(plain, taught.outcomes, plan), None)
    )
    return found, carried, optimism_of_rewards(plain, plan, found) if options.optimism else None


def _carried(
    taught: Taught,
    policies: Mapping[str, Mapping[int, Reached]],
    needed: Mapping[str, Mapping[int, Needed]],
    predictor: Predictor | None,
) -> Transfer:
    return Transfer(taught.sources, len(taught.queries), taught.left_out, policies, needed, predictor)


def _report_on_pairs(
    queries: Sequence[RecordedQuery],
    workshop: Workshop,
    options: Options,
    on_progress: Progress,
    training: Training | None,
) -> RoutingReport:
    if training is not None:
        raise BadOutcomesError(
            f"train-on: {', '.join(training.sources)}: not for rows of two decoders, weak and strong: "
            "evaluate them without it"
        )
    if options.optimism:
        raise BadOutcomesError(
            "optimism: True: not for rows of two decoders, weak and strong: evaluate them without it"
        )
    ways = RoutingOptions(options.folds, _ways(options, len(queries)), options.metadata)
    return report_on_pairs(queries, workshop, ways, on_progress)


def _plan(outcomes: Outcomes, options: Options) -> Plan:
    require_groups(outcomes.groups, options.folds)
    draws = int(outcomes.samples.min())
    budgets = options.budgets or tuple(budget for budget in BUDGETS if budget <= draws / 2)
    if not budgets or budgets[-1] > draws:
        fewest = outcomes.ids[int(outcomes.samples.argmin())]
        least = budgets[-1] if budgets else 2
        raise BadOutcomesError(
            f"budgets: {fewest} has {draws} samples, and {least} are needed, better twice as many: give "
            "smaller budgets, or leave out what has few samples"
        )
    return Plan(budgets, options.folds, _ways(options, len(outcomes)))


def _ways(options: Options, queries: int) -> int:
    return options.seeds or int(np.clip(SPLIT_QUERIES // queries, *SPLITS))
