"""Trains the shipped model's probes from the outcomes that ship with it."""

from __future__ import annotations

import logging
from typing import get_args

import numpy as np

from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.probes.fitting import fit_probe
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.papers import Papers
from adaqueue.core.query import Query
from adaqueue.core.specs import Sampling
from adaqueue.demo import MAX_TOKENS, MODEL_NAME, TEMPERATURE
from adaqueue.demo.outcomes import recorded_outcomes
from adaqueue.demo.problems import Domain
from adaqueue.errors import FingerprintError
from adaqueue.flows.train import train
from adaqueue.ports import FeatureProvider

log = logging.getLogger(__name__)

SHIPPED = "shipped"
DEFAULT_HEAD = "beta"


def train_shipped_probes(provider: FeatureProvider, registry: ProbeRegistry, sampling: Sampling) -> None:
    """Trains and promotes the shipped model's probes, unless there are fitting ones already.

    Other models, and other sampling settings than the outcomes were recorded with, keep the prior.
    """
    if sampling != Sampling(MODEL_NAME, TEMPERATURE, MAX_TOKENS):
        return
    domains: tuple[Domain, ...] = get_args(Domain)
    for domain in domains:
        papers = Papers.of(domain, provider.spec, sampling)
        if not _has_fitting(papers, registry):
            trained = train(DEFAULT_HEAD, shipped_outcomes(domain, provider), fit_probe)
            data = {
                "source": "recorded outcomes that ship with the model",
                "queries": trained.metrics["queries"],
            }
            name = registry.register(trained.probe, trained.rule, papers, trained.metrics, data)
            registry.promote(name, SHIPPED)


def shipped_outcomes(domain: Domain, provider: FeatureProvider) -> Outcomes:
    """Returns the recorded outcomes of a domain, with their hidden states; no two prompts are equal."""
    queries = [Query.from_row(row) for row in recorded_outcomes(domain)]
    vectors = provider.vectors([query.messages for query in queries])
    n = len(queries)
    return Outcomes(
        ids=tuple(str(query.id) for query in queries),
        messages=tuple(query.messages for query in queries),
        states=np.stack([np.frombuffer(vector, dtype=np.float32) for vector in vectors]),
        rewards=tuple(
            tuple(sample.reward or 0.0 for sample in query.recording.samples) if query.recording else ()
            for query in queries
        ),
        stopped=np.zeros(n, dtype=np.bool_),
        groups=np.arange(n),
        tokens=np.full(n, np.nan),
    )


def _has_fitting(papers: Papers, registry: ProbeRegistry) -> bool:
    try:
        champion = registry.champion(papers.decoder, papers.domain)
    except FingerprintError as error:
        log.warning("the probe in use is replaced: %s", error)
        return False
    return champion is not None and not champion.papers.refusal_on_base(papers)
