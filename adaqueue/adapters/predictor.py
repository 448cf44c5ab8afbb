"""What is believed of a query before it is sampled: the probe's word, else the population's prior."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from adaqueue.adapters.probe_registry import ProbeRegistry, RegisteredProbe
from adaqueue.core.decisions import Prediction, Waiting
from adaqueue.core.specs import Run, Sampling
from adaqueue.errors import FingerprintError

log = logging.getLogger(__name__)


class ProbePredictor:
    """Predicts with the probe in use; refuses one that does not fit, and says so in the reason.

    Args:
        registry: where probes are.
        sampling: how the engine draws now.
        prior: alpha and beta of the population, for queries without a probe.
    """

    def __init__(self, registry: ProbeRegistry, sampling: Sampling, prior: tuple[float, float]) -> None:
        self._registry = registry
        self._sampling = sampling.fingerprint()
        self._prior = Prediction(prior[0], prior[1], "prior", "")

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
        try:
            probe = self._registry.champion(run.decoder, domain)
            if probe is None:
                return [replace(self._prior, reason=f"no probe for {run.decoder} on {domain}")] * len(queries)
            if probe.sampling_fingerprint != self._sampling:
                raise FingerprintError(
                    f"probe {probe.name} was trained for sampling {probe.sampling_fingerprint}, "
                    f"the engine draws with {self._sampling}"
                )
            return self._apply(probe, queries, run.average_budget)
        except FingerprintError as error:
            log.error("%s", error)
            return [replace(self._prior, reason=f"probe refused: {error}")] * len(queries)

    def _apply(
        self, probe: RegisteredProbe, queries: Sequence[Waiting], average_budget: float
    ) -> list[Prediction]:
        fits = [query.fingerprint == probe.features_fingerprint for query in queries]
        vectors = [np.frombuffer(query.features or b"", dtype=np.float32) for query in queries]
        states = [vector for vector, fit in zip(vectors, fits, strict=True) if fit]
        said = iter(self._said(probe, np.stack(states), average_budget) if states else ())
        return [
            next(said) if fit else self._unread(probe, query)
            for query, fit in zip(queries, fits, strict=True)
        ]

    def _said(
        self, probe: RegisteredProbe, states: NDArray[np.float32], average_budget: float
    ) -> list[Prediction]:
        beta = probe.model.predict(states)
        sound = np.all(np.isfinite(beta) & (beta > 0), axis=1)
        beta = np.where(sound[:, None], beta, 1.0)
        found = [Prediction(alpha, rest, probe.name, "probe") for alpha, rest in beta.tolist()]
        if probe.rule is not None and average_budget > 0:
            curves = probe.rule.curves(np.log(beta[:, 0] / beta[:, 1]), average_budget)
            found = [
                replace(said, curve=(a, b, c)) for said, (a, b, c) in zip(found, curves.tolist(), strict=True)
            ]
        unsound = replace(self._prior, reason=f"probe {probe.name} said what is no Beta distribution")
        return [said if good else unsound for said, good in zip(found, sound.tolist(), strict=True)]

    def _unread(self, probe: RegisteredProbe, query: Waiting) -> Prediction:
        reads = f"probe {probe.name} reads {probe.features_fingerprint}"
        return replace(self._prior, reason=f"features are {query.fingerprint}, {reads}")
