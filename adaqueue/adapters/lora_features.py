"""Features of the model as a LoRA probe in use has adapted it, beside the base model's own."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from uuid import UUID

from safetensors.torch import load

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.probe_registry import ProbeRegistry, RegisteredProbe
from adaqueue.adapters.probes.lora import adapted
from adaqueue.adapters.probes.models import ADAPTER
from adaqueue.adapters.transformers_features import TransformersFeatures
from adaqueue.core.specs import FeatureSpec, differences
from adaqueue.errors import FingerprintError, UnavailableError

log = logging.getLogger(__name__)

HEAD = "lora"


class LoraFeatures:
    """Says who computes what the probe of a domain reads, where that is a LoRA probe.

    The probe in use is looked up each time, so that a promotion counts at once; its model is built once. Each
    domain with such a probe has a copy of the model in memory.

    Args:
        registry: where probes are.
        spec: of the base model's features.
        model: loads the base model, or returns it.
        register: tells the ledger what a fingerprint stands for.
    """

    def __init__(
        self,
        registry: ProbeRegistry,
        spec: FeatureSpec,
        model: Callable[[], LanguageModel],
        register: Callable[[FeatureSpec], None],
    ) -> None:
        self._registry = registry
        self._spec = spec
        self._model = model
        self._register = register
        self._served: dict[str, tuple[UUID, TransformersFeatures | None]] = {}

    def __call__(self, domain: str) -> TransformersFeatures | None:
        """Returns who computes what a domain's probe in use reads; None where it is no LoRA probe.

        A probe that does not fit is logged: its queries have the base model's features alone, and the
        scheduler then says in every decision why it did not read them.
        """
        try:
            probe = self._registry.champion(self._spec.model, domain)
        except (FingerprintError, UnavailableError) as error:
            log.error("no adapted features for %s: %s", domain, error)
            return None
        if probe is None or probe.model.head != HEAD:
            self._served.pop(domain, None)
            return None
        if domain not in self._served or self._served[domain][0] != probe.id:
            self._served.pop(domain, None)
            self._served[domain] = (probe.id, self._built(probe))
        return self._served[domain][1]

    def _built(self, probe: RegisteredProbe) -> TransformersFeatures | None:
        weights = probe.model.to_bytes()
        spec = adapted_spec(self._spec, weights)
        try:
            if differs := differences(probe.papers.features or {}, asdict(spec)):
                raise FingerprintError(f"it reads other features: {differs}")
            model = adapted(self._model(), weights, hashlib.sha256(weights).hexdigest())
        except (FingerprintError, RuntimeError) as error:  # the latter where there is no room for the copy
            log.error("no adapted features for %s: probe %s: %s", probe.papers.domain, probe.name, error)
            return None
        self._register(spec)
        return TransformersFeatures(model, spec)


def adapted_spec(spec: FeatureSpec, weights: bytes) -> FeatureSpec:
    """Returns the specification of the features that a LoRA probe reads: always of the last layer and token.

    Args:
        spec: of the features of the model that it adapts.
        weights: of the probe, adapter and head, as `to_bytes` gives them.
    """
    state = hashlib.sha256()
    tensors = load(weights)
    for name in sorted(name for name in tensors if name.startswith(ADAPTER)):
        state.update(f"{name} {tuple(tensors[name].shape)} ".encode() + tensors[name].numpy().tobytes())
    adapter = state.hexdigest()[:16]
    return replace(spec, layer=-1, pooling="last", final_norm=True, adapter=adapter)
