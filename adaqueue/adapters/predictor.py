"""What is believed of a query before it is sampled: the probe's word, else the population's prior."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import numpy as np

from adaqueue.adapters.probe_registry import ProbeRegistry, RegisteredProbe
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.decisions import Prediction, Waiting
from adaqueue.core.specs import Run, Sampling
from adaqueue.errors import FingerprintError, UnavailableError

log = logging.getLogger(__name__)


class ProbePredictor:
    """Predicts with the probe in use; refuses one that does not fit, and says so in the reason.

    Args:
        registry: where probes are.
        sampling: how the engine draws now.
        prior: alpha and beta of a domain's population, for queries without a probe.
        described: what a fingerprint of features stands for, as plain data; None if nobody knows.
    """

    def __init__(
        self,
        registry: ProbeRegistry,
        sampling: Sampling,
        prior: Callable[[str], tuple[float, float]],
        described: Callable[[str], dict[str, object] | None],
    ) -> None:
        self._registry = registry
        self._sampling = asdict(sampling)
        self._prior = prior
        self._described = described

    def predict(self, run: Run, queries: Sequence[Waiting]) -> list[Prediction]:
        """Returns one prediction for each query, see `Predictor`."""
        found: dict[int, Prediction] = {}
        for domain in sorted({query.domain for query in queries}):
            places = [place for place, query in enumerate(queries) if query.domain == domain]
            chosen = [queries[place] for place in places]
            predictions = self._predict_domain(run, domain, chosen)
            found.update(zip(places, predictions, strict=True))
        return [found[place] for place in range(len(queries))]

    def _predict_domain(self, run: Run, domain: str, queries: Sequence[Waiting]) -> list[Prediction]:
        return [
            Prediction(*self._prior(domain), "prior", said) if isinstance(said, str) else said
            for said in self._told(run, domain, queries)
        ]

    def _told(self, run: Run, domain: str, queries: Sequence[Waiting]) -> list[Prediction | str]:
        """Returns what the probe in use says of each query, or why none does."""
        try:
            probe = self._registry.champion(run.decoder, domain)
            if probe is None:
                return [f"no probe for {run.decoder} on {domain}"] * len(queries)
            return self._apply(probe, queries, run.average_budget)
        except (FingerprintError, UnavailableError) as error:
            log.error("%s", error)
            return [f"probe refused: {error}"] * len(queries)

    def _apply(
        self, probe: RegisteredProbe, queries: Sequence[Waiting], average_budget: float
    ) -> list[Prediction | str]:
        """Returns what the probe says of each query, or why it has no word on it."""
        refusals = [self._refusal(probe, query) for query in queries]
        read = [query for query, refusal in zip(queries, refusals, strict=True) if not refusal]
        said = iter(_said(probe, read, average_budget) if read else ())
        return [f"probe {probe.name} refused: {refusal}" if refusal else next(said) for refusal in refusals]

    def _refusal(self, probe: RegisteredProbe, query: Waiting) -> str:
        """Why the probe has no word on a query; empty if it has."""
        papers = probe.papers
        if papers.features_fingerprint in query.features:
            return papers.refusal(papers.features, self._sampling)
        fingerprint = next(iter(query.features), None)
        return papers.refusal(None if fingerprint is None else self._described(fingerprint), self._sampling)


def _said(
    probe: RegisteredProbe, queries: Sequence[Waiting], average_budget: float
) -> list[Prediction | str]:
    beliefs = _believed(probe, queries)
    sound = np.isfinite(beliefs.score) & (beliefs.alpha > 0) & (beliefs.beta > 0)
    beliefs = _where(sound, beliefs)
    columns = (beliefs.alpha, beliefs.beta, beliefs.zero, beliefs.tokens)
    found = [
        Prediction(alpha, beta, probe.name, "probe", None, zero, None if np.isnan(tokens) else tokens)
        for alpha, beta, zero, tokens in np.stack(columns, axis=1).tolist()
    ]
    if probe.rule is not None and average_budget > 0:
        curves = probe.rule.curves(beliefs.score, average_budget).tolist()
        found = [replace(one, curve=(a, b, c)) for one, (a, b, c) in zip(found, curves, strict=True)]
    unsound = f"probe {probe.name} said what is no Beta distribution"
    return [one if good else unsound for one, good in zip(found, sound.tolist(), strict=True)]


def _believed(probe: RegisteredProbe, queries: Sequence[Waiting]) -> Beliefs:
    if probe.model.reads == "prompts":
        return probe.model.predict(None, [query.prompt for query in queries])
    fingerprint = probe.papers.features_fingerprint
    vectors = [np.frombuffer(query.features[fingerprint], dtype=np.float32) for query in queries]
    return probe.model.predict(np.stack(vectors), [])


def _where(sound: np.ndarray[tuple[int], np.dtype[np.bool_]], beliefs: Beliefs) -> Beliefs:
    return Beliefs(
        np.where(sound, beliefs.alpha, 1.0),
        np.where(sound, beliefs.beta, 1.0),
        np.where(sound, beliefs.zero, 0.0),
        np.where(sound, beliefs.tokens, np.nan),
    )
