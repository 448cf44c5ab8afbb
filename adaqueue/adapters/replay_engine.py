"""The `replay` engine: draws, without repeating, the samples that came with the query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adaqueue.core.records import Sample, Unit
from adaqueue.core.specs import Sampling
from adaqueue.errors import EngineError


class ReplayEngine:
    """Sample number j of a query is the j-th that was recorded.

    Args:
        batch_samples: samples of one engine response.
    """

    decoder = "replay"

    def __init__(self, batch_samples: int = 1_024) -> None:
        self.sampling = Sampling(model="replay", temperature=0.0, max_tokens=0)
        self._batch_samples = batch_samples

    def draw(self, units: Sequence[Unit]) -> Iterator[list[Sample]]:
        """Yields responses, see `Engine`; units beyond what was recorded fail after all others."""
        recorded = [unit for unit in units if _has(unit)]
        for start in range(0, len(recorded), self._batch_samples):
            yield [_sample(unit) for unit in recorded[start : start + self._batch_samples]]
        missing = len(units) - len(recorded)
        if missing:
            raise EngineError(f"{missing} samples were asked for that the queries did not come with")

    def works(self) -> bool:
        """Always: nothing can break, see `Engine`."""
        return True


def _has(unit: Unit) -> bool:
    return unit.recording is not None and unit.number < len(unit.recording.samples)


def _sample(unit: Unit) -> Sample:
    assert unit.recording is not None  # noqa: S101 - tells the type checker what _has has checked
    recorded = unit.recording.samples[unit.number]
    return Sample(
        query_id=unit.query_id,
        number=unit.number,
        seed=None,
        text=recorded.text,
        tokens_in=None,
        tokens_out=recorded.tokens,
        finish_reason="recorded",
        seconds=0.0,
        reward=recorded.reward,
    )
