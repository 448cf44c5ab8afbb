"""Self-consistency: samples of a math query without a reference agree or differ."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from adaqueue.adapters.math_answer import final_answer
from adaqueue.adapters.math_check import MathChecker
from adaqueue.core.consensus import groups
from adaqueue.core.query import Query
from adaqueue.core.records import Sample, Verdict


class ConsensusVerifier:
    """Groups a query's samples by equivalent answers; to be given all of its samples at once.

    A sample without a final answer is a wrong one. The others are `grouped`; the route names the group by its
    first sample, so that it stays the same when more are drawn.

    Args:
        checker: says which answers are equivalent.
    """

    name = "consensus"
    version = MathChecker.version

    def __init__(self, checker: MathChecker) -> None:
        self._checker = checker

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        """Returns the verdicts, see `Verifier`."""
        of_query: dict[UUID, list[Sample]] = defaultdict(list)
        for _, sample in drawn:
            of_query[sample.query_id].append(sample)
        said: dict[tuple[UUID, int], Verdict] = {}
        for samples in of_query.values():
            said |= {(verdict.query_id, verdict.number): verdict for verdict in self._grouped(samples)}
        return [said[sample.query_id, sample.number] for _, sample in drawn]

    def _grouped(self, samples: Sequence[Sample]) -> list[Verdict]:
        started = time.perf_counter()
        ordered = sorted(samples, key=lambda sample: sample.number)
        found = groups([final_answer(str(sample.text)) or None for sample in ordered], self._checker.same)
        seconds = (time.perf_counter() - started) / len(ordered)
        return [
            self._verdict(sample, None if group < 0 else ordered[found.index(group)].number, seconds)
            for sample, group in zip(ordered, found, strict=True)
        ]

    def _verdict(self, sample: Sample, first: int | None, seconds: float) -> Verdict:
        return Verdict(
            query_id=sample.query_id,
            number=sample.number,
            verdict="wrong_answer" if first is None else "grouped",
            reward=0.0 if first is None else None,
            verifier=self.name,
            version=self.version,
            route="empty" if first is None else f"with sample {first}",
            tier=None,
            seconds=seconds,
        )
