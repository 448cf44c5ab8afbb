"""Trains the shipped model's probe from the outcomes that ship with it."""

from __future__ import annotations

import logging

from adaqueue.adapters.probe import fit
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.core.query import Query
from adaqueue.core.specs import Sampling
from adaqueue.demo import MAX_TOKENS, MODEL_NAME, TEMPERATURE
from adaqueue.demo.outcomes import recorded_outcomes
from adaqueue.errors import FingerprintError
from adaqueue.flows.train import train
from adaqueue.ports import FeatureProvider

log = logging.getLogger(__name__)

DOMAIN = "math"


def train_shipped_probe(provider: FeatureProvider, registry: ProbeRegistry, sampling: Sampling) -> None:
    """Trains and promotes the probe of the shipped model, unless there is a fitting one already.

    Other models, and other sampling settings than the outcomes were recorded with, keep the prior.
    """
    if sampling != Sampling(MODEL_NAME, TEMPERATURE, MAX_TOKENS):
        return
    try:
        champion = registry.champion(MODEL_NAME, DOMAIN)
    except FingerprintError as error:
        log.warning("the probe in use is replaced: %s", error)
        champion = None
    if champion is not None and champion.fits(provider.spec, sampling):
        return
    probe, quality = train([Query.from_row(row) for row in recorded_outcomes()], provider, fit)
    registry.promote_new(probe.to_bytes(), DOMAIN, provider.spec, sampling, quality)
