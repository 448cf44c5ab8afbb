"""Who predicts where recorded outcomes are evaluated."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.papers import Papers
from adaqueue.core.specs import FeatureSpec
from adaqueue.errors import FingerprintError
from adaqueue.flows.evaluate import Workshop
from adaqueue.settings import Settings
from adaqueue.wiring.engines import language_model
from adaqueue.wiring.trainer import probe_desk

if TYPE_CHECKING:
    from adaqueue.adapters.language_model import LanguageModel
    from adaqueue.adapters.probe_registry import RegisteredProbe

TEXT = "text"


def workshop(features: str) -> Workshop:
    """Returns where probes are made that read `text`, or the hidden states of the model in a folder.

    Raises:
        SettingsError: there is no such model.
    """
    from adaqueue.adapters.recorded_workshops import ModelWorkshop, TextWorkshop

    if features == TEXT:
        return TextWorkshop()
    from adaqueue.adapters.encoder_features import EncoderFeatures

    return ModelWorkshop(EncoderFeatures(Path(features)))


def trained_workshop(settings: Settings, name: str) -> Workshop:
    """Returns where a registered probe is asked, which reads the states of the settings' model.

    Raises:
        SettingsError: there is no such probe.
        FingerprintError: it cannot be read, or predicts another model.
        UnavailableError: no system is up.
    """
    from adaqueue.adapters.recorded_workshops import TrainedWorkshop

    with probe_desk(settings) as desk:
        probe = desk.registry.load(name)
    if probe.papers.decoder != settings.model:
        raise FingerprintError(
            f"probe {name} predicts {probe.papers.decoder}, and the model is {settings.model}: set "
            "ADAQUEUE_MODEL"
        )
    model = language_model(settings)
    refusal = _refusal(probe.papers, model)
    if refusal:
        raise FingerprintError(f"probe {name}: {refusal}")
    return TrainedWorkshop(lambda outcomes: _believed(probe, model, outcomes))


def _refusal(papers: Papers, model: LanguageModel) -> str:
    """Returns why the model's states are not what the probe reads; how samples were drawn, no file tells."""
    read = papers.features or {}
    base = model.feature_spec(read.get("layer", -1), read.get("pooling", "last"))
    return papers.refusal_on_base(Papers(papers.domain, asdict(base), papers.sampling))


def _believed(probe: RegisteredProbe, model: LanguageModel, outcomes: Outcomes) -> Beliefs:
    from adaqueue.adapters.probe_workshop import LORA, ProbeWorkshop
    from adaqueue.adapters.transformers_features import TransformersFeatures

    if probe.papers.features is not None and probe.model.head != LORA:
        spec = FeatureSpec(**probe.papers.features)
        vectors = TransformersFeatures(model, spec).vectors(outcomes.messages)
        states = np.stack([np.frombuffer(vector, dtype=np.float32) for vector in vectors])
        outcomes = replace(outcomes, states=states)
    read = ProbeWorkshop(lambda: model).states(probe.model, outcomes)
    return probe.model.predict(read, outcomes.prompts)
