"""The judge alone as a verifier of math: the second opinion of an audit."""

from __future__ import annotations

import time
from collections.abc import Sequence

from adaqueue.adapters.code_program import asked
from adaqueue.adapters.math_answer import answer_to_judge
from adaqueue.core.query import Query
from adaqueue.core.records import Doubt, Sample, Verdict
from adaqueue.ports import Judge


class JudgeVerifier:
    """Has the judge say of every sample whether its final answer is right.

    Args:
        judge: the language model.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        """Returns the verdicts, see `Verifier`."""
        started = time.perf_counter()
        said = self._judge.equal([_doubt(query, sample) for query, sample in drawn])
        seconds = (time.perf_counter() - started) / max(len(drawn), 1)
        return [self._verdict(sample, equal, seconds) for (_, sample), equal in zip(drawn, said, strict=True)]

    def _verdict(self, sample: Sample, equal: bool, seconds: float) -> Verdict:
        return Verdict(
            query_id=sample.query_id,
            number=sample.number,
            verdict="passed" if equal else "wrong_answer",
            reward=float(equal),
            verifier="math",
            version=f"{self._judge.name} {self._judge.revision}".strip(),
            route="judge",
            tier=None,
            seconds=seconds,
        )


def _doubt(query: Query, sample: Sample) -> Doubt:
    return Doubt(asked(query), str(query.reference), answer_to_judge(str(sample.text)))
