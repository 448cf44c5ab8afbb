"""What a run, a sampling and a feature are, exactly, and the fingerprints that tell two apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Run:
    """One producer's stream of queries under one policy and one account.

    Attributes:
        id: internal key.
        name: unique among a tenant's open runs.
        engine: `transformers`, `vllm` or `replay`: the sample queue that serves the run.
        decoder: name of the model that draws.
        policy: who gets how many samples, see `core.policy` and `core.sequential`.
        average_budget: samples a query on average, B.
        b_max: largest budget considered for one query.
        has_features: whether queries wait for the prompt's hidden state before their window.
        is_batch: whether its total is fixed, B for each of its queries, however they are spread; else a
            stream, whose queries keep coming, and whose price holds average spending at B.
    """

    id: UUID
    name: str
    engine: str
    decoder: str
    policy: str
    average_budget: float
    b_max: int
    has_features: bool
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an engine draws: everything that changes the distribution of a sample.

    Attributes:
        model: the decoder's name; its revision and template are part of `FeatureSpec`.
        temperature: of the softmax; 0 is greedy.
        max_tokens: generated tokens at most.
    """

    model: str
    temperature: float
    max_tokens: int

    def fingerprint(self) -> str:
        """Returns a digest that two samplings share only if they draw from the same distribution."""
        return digest(asdict(self))


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Exactly which vector stands for a prompt.

    Attributes:
        model: name of the base model.
        revision: digest of its weights.
        layer: hidden layer, -1 the last.
        pooling: which tokens; `last` is the prompt's last token.
        final_norm: whether the model's final norm is applied.
        template: digest of the chat template.
        size: length of the vector.
    """

    model: str
    revision: str
    layer: int
    pooling: str
    final_norm: bool
    template: str
    size: int

    def fingerprint(self) -> str:
        """Returns a digest that two specifications share only if their vectors may be mixed."""
        return digest(asdict(self))


def digest(data: Mapping[str, Any]) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of plain data."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
