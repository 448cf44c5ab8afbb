"""Where the probes of recorded queries are made: of their text, or of a model's hidden states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from adaqueue.adapters.recorded_probes import (
    RecordedProbe,
    baselines,
    metadata_values,
    nearness,
    state_probe,
    text_probe,
)
from adaqueue.adapters.text_features import Texts
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.evaluation import Prepared, Progress
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.splits import Scores
from adaqueue.errors import BadOutcomesError

if TYPE_CHECKING:  # it takes seconds to import, and text needs none of it
    from adaqueue.adapters.encoder_features import EncoderFeatures


@dataclass(frozen=True, eq=False)
class _Probes:
    """Probes, as in `Prepared`, that may be asked for other rates."""

    probe: RecordedProbe
    baselines: dict[str, RecordedProbe]
    cut: int

    def aimed(self, rates: FloatArray | None) -> Prepared:
        """Returns them for rates of each query, shape (n,), in [0, 1]; None: its success rate."""
        others = {name: replace(own, rates=rates) for name, own in self.baselines.items()}
        return Prepared(replace(self.probe, rates=rates), others, self.cut)


_read = lru_cache(maxsize=1)(Texts.of)
"""A set's prompts are looked through for near duplicates, and then again by each probe."""


class TextWorkshop:
    """Makes probes that read the prompts' text."""

    def near_duplicates(self, prompts: Sequence[str]) -> IntArray:
        """Returns a number for each prompt, the same for prompts of nearly the same words."""
        return _read(tuple(prompts)).near_duplicates()

    def prepare(
        self, outcomes: Outcomes, metadata: Sequence[Sequence[float | str]], on_progress: Progress
    ) -> Prepared:
        """Returns the text probe and its baselines, see `flows.evaluate.Workshop`."""
        return self._probes(outcomes, metadata, on_progress).aimed(None)

    def prepare_for(
        self,
        outcomes: Outcomes,
        rates: Sequence[FloatArray],
        metadata: Sequence[Sequence[float | str]],
        on_progress: Progress,
    ) -> list[Prepared]:
        """Returns the same probes for each of these rates, see `flows.evaluate.Workshop`."""
        probes = self._probes(outcomes, metadata, on_progress)
        return [probes.aimed(own) for own in rates]

    def _probes(
        self, outcomes: Outcomes, metadata: Sequence[Sequence[float | str]], on_progress: Progress
    ) -> _Probes:
        more = [nearness(metadata_values(metadata))] if metadata[0] else []
        texts = _read(outcomes.prompts)
        return _Probes(text_probe(outcomes, texts, more), baselines(outcomes, texts), 0)


class ModelWorkshop(TextWorkshop):
    """Makes probes that read a model's hidden states, and the text beside them.

    Args:
        features: computes them.
    """

    def __init__(self, features: EncoderFeatures) -> None:
        self._features = features

    def _probes(
        self, outcomes: Outcomes, metadata: Sequence[Sequence[float | str]], on_progress: Progress
    ) -> _Probes:
        done = 0

        def on_states(count: int) -> None:
            nonlocal done
            done += count
            on_progress("features", done, len(outcomes))

        states, cut = self._features.states(outcomes.messages, on_states)
        more = [nearness(metadata_values(metadata))] if metadata[0] else []
        texts = _read(outcomes.prompts)
        return _Probes(state_probe(outcomes, texts, states, more), baselines(outcomes, texts), cut)


class TrainedWorkshop(TextWorkshop):
    """Asks a probe that was trained elsewhere: of it nothing is fitted here, but all that stands on it is.

    Args:
        believe: says what the probe believes of queries.
    """

    def __init__(self, believe: Callable[[Outcomes], Beliefs]) -> None:
        self._believe = believe

    def prepare(
        self, outcomes: Outcomes, metadata: Sequence[Sequence[float | str]], on_progress: Progress
    ) -> Prepared:
        """Returns the trained probe, and the baselines of the text.

        Raises:
            BadOutcomesError: it is to read metadata.
        """
        if metadata[0]:
            raise BadOutcomesError("metadata: a trained probe reads none: leave it out")
        on_progress("the probe", 0, 1)
        score = self._believe(outcomes).score
        return Prepared(
            lambda known, asked, seed: Scores(score[known], score[asked]),
            baselines(outcomes, _read(outcomes.prompts)),
            0,
        )

    def prepare_for(
        self,
        outcomes: Outcomes,
        rates: Sequence[FloatArray],
        metadata: Sequence[Sequence[float | str]],
        on_progress: Progress,
    ) -> list[Prepared]:
        """Refuses rows of two decoders.

        Raises:
            BadOutcomesError: always.
        """
        raise BadOutcomesError("probe: a trained probe predicts one decoder: rows have weak and strong")
