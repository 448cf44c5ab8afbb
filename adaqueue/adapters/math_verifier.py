"""The math verifier: a response's final answer is checked against the reference."""

from __future__ import annotations

import time
from collections.abc import Sequence

from adaqueue.adapters.math_check import MathChecker
from adaqueue.core.query import Query
from adaqueue.core.records import Sample, Verdict, not_verified
from adaqueue.errors import VerifierError


class MathVerifier:
    """Gives math samples their verdicts."""

    def __init__(self) -> None:
        self._checker = MathChecker()

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        """Returns the verdicts, see `Verifier`."""
        return [self._verdict(query, sample) for query, sample in drawn]

    def _verdict(self, query: Query, sample: Sample) -> Verdict:
        started = time.perf_counter()
        try:
            said = self._checker.check(str(query.reference), str(sample.text))
        except VerifierError as error:
            return not_verified(sample, str(error))
        return Verdict(
            query_id=sample.query_id,
            number=sample.number,
            verdict="passed" if said.passed else "wrong_answer",
            reward=float(said.passed),
            verifier=self._checker.name,
            version=self._checker.version,
            route=said.route,
            tier=None,
            seconds=time.perf_counter() - started,
        )
