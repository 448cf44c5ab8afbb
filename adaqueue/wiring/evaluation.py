"""Evaluation without a system that is up."""

from __future__ import annotations

from pathlib import Path

from adaqueue.flows.evaluate import Workshop

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
