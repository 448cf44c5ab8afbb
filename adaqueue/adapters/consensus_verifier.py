"""Self-consistency: samples of a math query without a reference agree or differ."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from uuid import UUID

from adaqueue.adapters.math_answer import find_answer
from adaqueue.adapters.math_check import MathChecker
from adaqueue.adapters.math_second import needs_second_reader
from adaqueue.core.consensus import groups
from adaqueue.core.query import Query
from adaqueue.core.records import Sample, Verdict

MAX_SYMBOLIC = 32
"""Comparisons of one query's answers that may take algebra; all others are told by text and exact numbers."""
SLOW = 8
"""For how many of these one with a sum, product, integral or limit counts."""
MAX_REMEMBERED = 2_048
"""Pairs of answers whose comparison is not repeated when more samples are drawn."""


class ConsensusVerifier:
    """Groups a query's samples by equivalent answers; to be given all of its samples at once.

    A sample that marks no final answer is a wrong one: refusals are no votes, however many agree. The others
    are `grouped`; the route names the group by its first sample, so that it stays the same when more are
    drawn.

    Args:
        checker: says which answers are equivalent.
    """

    name = "consensus"
    version = MathChecker.version

    def __init__(self, checker: MathChecker) -> None:
        self._checker = checker
        self._symbolically = lru_cache(MAX_REMEMBERED)(checker.same)

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
        found = groups([_vote(str(sample.text)) for sample in ordered], self._same())
        seconds = (time.perf_counter() - started) / len(ordered)
        return [
            self._verdict(sample, None if group < 0 else ordered[found.index(group)].number, seconds)
            for sample, group in zip(ordered, found, strict=True)
        ]

    def _same(self) -> Callable[[str, str], bool]:
        """What compares the answers of one query: in the same order, the same comparisons are symbolic."""
        spent = 0

        def same(first: str, second: str) -> bool:
            nonlocal spent
            said = self._checker.same_exactly(first, second)
            if said is not None or spent >= MAX_SYMBOLIC:
                return said is True
            spent += SLOW if needs_second_reader(first) or needs_second_reader(second) else 1
            return self._symbolically(first, second)

        return same

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


def _vote(response: str) -> str | None:
    """The answer that a response marks, None where it marks none: a few words alone are no answer."""
    found = find_answer(response)
    return found.text if found.mark != "words" and any(map(str.isalnum, found.text)) else None
