"""Makes probes of every head that can be put into use, and reads what each of them reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from adaqueue.core.outcomes import Outcomes, States
from adaqueue.core.papers import Papers
from adaqueue.core.specs import FeatureSpec
from adaqueue.ports import Probe

if TYPE_CHECKING:
    from adaqueue.adapters.language_model import LanguageModel
    from adaqueue.adapters.probes.fitted import FittedProbe

LORA = "lora"


class ProbeWorkshop:
    """Loads torch when there is something to be trained, and the base model when a LoRA probe is.

    Args:
        model: loads the base model, or returns it.
    """

    def __init__(self, model: Callable[[], LanguageModel]) -> None:
        self._model = model

    def fit(self, head: str, outcomes: Outcomes, seed: int) -> FittedProbe:
        """Returns a probe of this head, see `probes.fitting.fit_probe`."""
        from adaqueue.adapters.probes.fitting import fit_probe
        from adaqueue.adapters.probes.lora import fit_lora

        return fit_lora(self._model(), outcomes, seed) if head == LORA else fit_probe(head, outcomes, seed)

    def papers(self, probe: Probe, papers: Papers) -> Papers:
        """Returns the papers of a new probe: a LoRA probe reads features that nobody had before it.

        Args:
            probe: that was trained.
            papers: of probes that read the base model's features.
        """
        if probe.reads == "prompts" or papers.features is None:
            return replace(papers, features=None)
        if probe.head != LORA:
            return papers
        from adaqueue.adapters.lora_features import adapted_spec

        return replace(
            papers, features=asdict(adapted_spec(FeatureSpec(**papers.features), probe.to_bytes()))
        )

    def states(self, probe: Probe, outcomes: Outcomes) -> States | None:
        """Returns what a probe reads of queries, which bring the base model's states; None: their prompts."""
        if probe.reads == "prompts":
            return None
        if probe.head != LORA:
            return outcomes.states
        from adaqueue.adapters.probes.lora import adapted
        from adaqueue.adapters.transformers_features import TransformersFeatures

        weights = probe.to_bytes()
        model = adapted(self._model(), weights, hashlib.sha256(weights).hexdigest())
        vectors = TransformersFeatures(model, model.feature_spec()).vectors(outcomes.messages)
        return np.stack([np.frombuffer(vector, dtype=np.float32) for vector in vectors])
