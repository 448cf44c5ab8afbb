"""One set of recorded outcomes of two decoders from its rows to its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from adaqueue.core.evaluation import Prepared, Progress
from adaqueue.core.folds import require_groups
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.recorded import RecordedQuery, metadata_rows, outcomes_of
from adaqueue.core.routing_evaluation import RoutingEvaluation, evaluate_routing
from adaqueue.core.routing_pairs import Pairs


@dataclass(frozen=True, slots=True)
class RoutingOptions:
    """How to evaluate.

    Attributes:
        folds: parts into which queries are split, at least 2.
        seeds: ways to split, at least 1.
        metadata: pieces of metadata that the probe reads too.
    """

    folds: int
    seeds: int
    metadata: tuple[str, ...]


class PairWorkshop(Protocol):
    """Where the probes of such a set are made."""

    def near_duplicates(self, prompts: Sequence[str]) -> IntArray:
        """Returns a number for each prompt, the same for prompts of nearly the same words."""
        ...

    def prepare_for(
        self,
        outcomes: Outcomes,
        rates: Sequence[FloatArray],
        metadata: Sequence[Sequence[float | str]],
        on_progress: Progress,
    ) -> list[Prepared]:
        """Returns the set's probes for each of these rates, in [0, 1], a number a query.

        Raises:
            EngineError: a model broke on a prompt.
        """
        ...


@dataclass(frozen=True, eq=False)
class RoutingReport:
    """What became of a set.

    Attributes:
        queries: evaluated.
        groups: of them.
        samples: that every query has of each decoder.
        options: folds and splits.
        cut: prompts that were cut.
        weak: the weak decoder's mean reward.
        strong: the strong one's.
        alone: whether some decoder has a single sample of some query: noise cannot be told from skill.
        evaluation: the figures.
    """

    queries: int
    groups: int
    samples: int
    options: RoutingOptions
    cut: int
    weak: float
    strong: float
    alone: bool
    evaluation: RoutingEvaluation


def report_on_pairs(
    queries: Sequence[RecordedQuery], workshop: PairWorkshop, options: RoutingOptions, on_progress: Progress
) -> RoutingReport:
    """Returns every policy's figures on queries of two decoders.

    Raises:
        BadOutcomesError: there are too few queries or groups; says how many are needed.
        EngineError: a model broke on a prompt.
    """
    plain = outcomes_of(queries, workshop.near_duplicates)
    groups = require_groups(plain.groups, options.folds)
    pairs = Pairs.of(queries, plain.groups)
    metadata = metadata_rows(queries, options.metadata)
    probes = workshop.prepare_for(plain, pairs.targets, metadata, on_progress)
    strong = min(len(own.strong.rewards) for own in queries if own.strong is not None)
    samples = min(int(plain.samples.min()), strong)
    return RoutingReport(
        queries=len(plain),
        groups=groups,
        samples=samples,
        options=options,
        cut=probes[0].cut,
        weak=float(pairs.weak.mean()),
        strong=float(pairs.strong.mean()),
        alone=samples == 1,
        evaluation=evaluate_routing(pairs, probes, options.folds, options.seeds, on_progress),
    )
