"""The chat verifier: a response's reward is the number that a reward model gives it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from adaqueue.adapters.reward_model import RewardModel
from adaqueue.core.query import Query
from adaqueue.core.records import Sample, Verdict, not_verified
from adaqueue.errors import VerifierError


class RewardVerifier:
    """Gives chat samples their verdicts: `scored`, never right or wrong.

    Args:
        model: scores the responses.
    """

    def __init__(self, model: RewardModel) -> None:
        self._model = model

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        """Returns the verdicts, see `Verifier`; a prompt that the model cannot take spoils no other's."""
        started = time.perf_counter()
        try:
            rewards = self._model.scores([(query.messages, str(sample.text)) for query, sample in drawn])
        except VerifierError as error:
            if len(drawn) == 1:
                return [not_verified(drawn[0][1], error)]
            half = len(drawn) // 2
            return [*self.verify(drawn[:half]), *self.verify(drawn[half:])]
        seconds = (time.perf_counter() - started) / max(1, len(drawn))
        pairs = zip(drawn, rewards, strict=True)
        return [self._verdict(sample, reward, seconds) for (_, sample), reward in pairs]

    def _verdict(self, sample: Sample, reward: float, seconds: float) -> Verdict:
        return Verdict(
            query_id=sample.query_id,
            number=sample.number,
            verdict="scored",
            reward=reward,
            verifier=self._model.name,
            version=self._model.revision,
            route="reward_model",
            tier=None,
            seconds=seconds,
        )
