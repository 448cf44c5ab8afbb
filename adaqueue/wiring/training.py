"""Trains the shipped model's probe from the outcomes that ship with it."""

from __future__ import annotations

import logging
from typing import get_args

from adaqueue.adapters.probe import fit
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.core.query import Query
from adaqueue.core.specs import Sampling
from adaqueue.demo import MAX_TOKENS, MODEL_NAME, TEMPERATURE
from adaqueue.demo.outcomes import recorded_outcomes
from adaqueue.demo.problems import Domain
from adaqueue.errors import FingerprintError
from adaqueue.flows.train import train
from adaqueue.ports import FeatureProvider

log = logging.getLogger(__name__)


def train_shipped_probes(provider: FeatureProvider, registry: ProbeRegistry, sampling: Sampling) -> None:
    """Trains and promotes the shipped model's probes, unless there are fitting ones already.

    Other models, and other sampling settings than the outcomes were recorded with, keep the prior.
    """
    if sampling != Sampling(MODEL_NAME, TEMPERATURE, MAX_TOKENS):
        return
    domains: tuple[Domain, ...] = get_args(Domain)
    for domain in domains:
        if not _has_fitting(domain, provider, registry, sampling):
            outcomes = [Query.from_row(row) for row in recorded_outcomes(domain)]
            probe, rule, quality = train(outcomes, provider, fit)
            registry.promote_new(probe.to_bytes(), rule, domain, provider.spec, sampling, quality)


def _has_fitting(domain: str, provider: FeatureProvider, registry: ProbeRegistry, sampling: Sampling) -> bool:
    try:
        champion = registry.champion(MODEL_NAME, domain)
    except FingerprintError as error:
        log.warning("the probe in use is replaced: %s", error)
        return False
    return champion is not None and champion.fits(provider.spec, sampling)
