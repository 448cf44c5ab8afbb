"""What heads learn, before calibration: networks, perhaps with an adapter of the base model, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from adaqueue.adapters.probes.ensemble import Ensemble
from adaqueue.adapters.probes.objectives import OBJECTIVES
from adaqueue.adapters.probes.readers import lengths
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.marginal import FloatArray, from_vector
from adaqueue.core.outcomes import States

ADAPTER = "adapter."
SCALING = 2.0
"""What an adapter's product counts for: part of the format, as the artefact holds the factors alone."""


@dataclass(frozen=True, eq=False)
class NetworkModel:
    """Networks that read hidden states or lengths.

    Attributes:
        head: what their numbers mean.
        ensemble: the networks.
        adapter: of `lora` alone, what the base model is changed by before its states are read. Factors by the
            name of their layer, `NAME.lora_A`, float32[rank, in], and `NAME.lora_B`, float32[out, rank]: the
            layer's weights grow by `SCALING * B @ A`.
    """

    head: str
    ensemble: Ensemble
    adapter: Mapping[str, Tensor]

    def beliefs(self, states: States | None, prompts: Sequence[str]) -> Beliefs:
        """Returns the beliefs of n queries."""
        numbers, tokens = self.ensemble.outputs(vectors(self.head, states, prompts))
        found = OBJECTIVES[self.head].beliefs(numbers)
        return Beliefs(found.alpha, found.beta, found.zero, tokens)

    def marginals(self, states: States) -> FloatArray:
        """Returns the marginal rewards that the head `marginal` regresses, shape (n, b_max); no row rises."""
        return from_vector(self.ensemble.outputs(states)[0])

    def tensors(self) -> dict[str, Tensor]:
        """Returns the weights by name."""
        return {**self.ensemble.tensors(), **{ADAPTER + name: each for name, each in self.adapter.items()}}


class ConstantModel:
    """Knows nothing: the calibration says it all."""

    def beliefs(self, states: States | None, prompts: Sequence[str]) -> Beliefs:
        """Returns the same belief n times."""
        return Beliefs.of(np.full(len(prompts), 0.5), np.full(len(prompts), 0.5))

    def tensors(self) -> dict[str, Tensor]:
        """Returns nothing."""
        return {}


def vectors(head: str, states: States | None, prompts: Sequence[str]) -> States:
    """Returns what a head's network reads: hidden states, or for `length` the prompts' lengths."""
    return lengths(prompts) if head == "length" or states is None else states
