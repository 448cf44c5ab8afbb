"""What a run, a sampling and a feature are, exactly, and the fingerprints that tell two apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

SERVING = "serving"
EVALUATION = "evaluation"


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
        purpose: `serving`, or `evaluation`: it measures the system, gives way to those that serve, and
            teaches it nothing.
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
    purpose: str = SERVING

    @property
    def gives_way(self) -> bool:
        """Whether others come first."""
        return self.purpose == EVALUATION


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an engine draws: everything of its settings that changes the distribution of a sample.

    The chat template and the revision of the weights change it too. They are not repeated here: they are part
    of the same model's `FeatureSpec`, and a probe that reads features is refused unless both are today's.

    Attributes:
        model: the decoder's name.
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
        layer: hidden layer, counted from the end: -1 the last, -1 - (number of layers) the embeddings.
        pooling: `last`, the state of the prompt's last token, or `mean`, the mean over all its tokens.
        final_norm: whether the model's final norm is applied; it is to the last layer, and to no other.
        template: digest of the chat template.
        size: length of the vector.
        dtype: of weights and states while the model ran; vectors are stored as float32 whatever it is.
        most_tokens: a longer prompt is cut to so many tokens; 0: none is cut.
        cut: which end of a prompt is cut off; `left`, as its end is what the model answers to.
        adapter: digest of the LoRA adapter that the model ran with; empty: none.
    """

    model: str
    revision: str
    layer: int
    pooling: str
    final_norm: bool
    template: str
    size: int
    dtype: str = "float32"
    most_tokens: int = 0
    cut: str = "left"
    adapter: str = ""

    def fingerprint(self) -> str:
        """Returns a digest that two specifications share only if their vectors may be mixed."""
        return digest(asdict(self))


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """Returns in which fields two specifications differ, with both values; empty where in none.

    Args:
        ours: a `FeatureSpec` or a `Sampling` as plain data (`dataclasses.asdict`, or as the ledger keeps it).
        theirs: another of the same kind; a field that one of them lacks, written by another version, differs.

    Returns:
        As in "temperature: 0.7 against 1.0; max_tokens: 8 against 32".
    """
    fields = dict.fromkeys([*ours, *theirs])
    values = {field: (ours.get(field, "unknown"), theirs.get(field, "unknown")) for field in fields}
    return "; ".join(f"{field}: {a} against {b}" for field, (a, b) in values.items() if a != b)


def digest(data: Mapping[str, Any]) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of plain data."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
