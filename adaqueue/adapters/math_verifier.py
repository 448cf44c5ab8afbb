"""The math verifier: recorded rewards stand, other responses are checked against the reference."""

from __future__ import annotations

import time

from adaqueue.adapters.math_check import MathChecker
from adaqueue.core.records import Sample, Verdict
from adaqueue.errors import VerifierError


class MathVerifier:
    """Gives math samples their verdicts."""

    def __init__(self) -> None:
        self._checker = MathChecker()

    def verify(self, reference: object, sample: Sample) -> Verdict:
        """Returns the verdict, see `Verifier`."""
        if sample.reward is not None:
            return _recorded(sample, sample.reward)
        if not isinstance(reference, str) or sample.text is None:
            raise VerifierError("neither a recorded reward nor a response and its reference")
        started = time.perf_counter()
        said = self._checker.check(reference, sample.text)
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


def _recorded(sample: Sample, reward: float) -> Verdict:
    verdict = {0.0: "wrong_answer", 1.0: "passed"}.get(float(reward), "recorded")
    return Verdict(
        query_id=sample.query_id,
        number=sample.number,
        verdict=verdict,
        reward=float(reward),
        verifier="recorded",
        version="",
        route="recorded",
        tier=None,
        seconds=0.0,
    )
