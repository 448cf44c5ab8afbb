"""Networks that each held out another part of the queries: together one predictor, and honest scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adaqueue.adapters.probes.artefacts import require_shapes
from adaqueue.adapters.probes.mlp import Mlp, descend, one_thread
from adaqueue.adapters.probes.objectives import Objective, Targets
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.outcomes import States
from adaqueue.errors import FingerprintError

TOKENS_WEIGHT = 0.1


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Networks whose numbers are averaged; the last number is the log of the tokens, standardised.

    Attributes:
        members: the networks, of one shape.
        tokens: centre and scale of the log tokens, float32[2], NaN where they were never known.
    """

    members: Sequence[Mlp]
    tokens: Tensor

    def outputs(self, vectors: States) -> tuple[FloatArray, FloatArray]:
        """Returns what the networks say, float64[n, k], and the expected tokens, float64[n].

        Raises:
            FingerprintError: the vectors have another size.
        """
        size = len(self.members[0].mean)
        if vectors.ndim != 2 or vectors.shape[1] != size:
            raise FingerprintError(f"the probe reads {size} features, not {vectors.shape[-1]}")
        given = torch.from_numpy(np.array(vectors, dtype=np.float32))
        with torch.inference_mode():
            found = torch.stack([member(given) for member in self.members]).double().mean(dim=0).numpy()
        centre, scale = self.tokens.double().tolist()
        return found[:, :-1], np.exp(centre + scale * np.clip(found[:, -1], -10, 10))

    def tensors(self) -> dict[str, Tensor]:
        """Returns the weights by name."""
        named = {
            f"member.{place}.{name}": tensor
            for place, member in enumerate(self.members)
            for name, tensor in member.state_dict().items()
        }
        return {**named, "tokens": self.tokens}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], outputs: int | None) -> Ensemble:
        """Returns the networks with these weights, as `tensors` gave them.

        Args:
            tensors: the weights; all names must be of networks.
            outputs: numbers that the head reads, tokens left out; None: any.

        Raises:
            FingerprintError: the weights are of something else.
        """
        count = len({name.split(".")[1] for name in tensors if name.startswith("member.")})
        first, last = tensors.get("member.0.first.weight"), tensors.get("member.0.second.bias")
        if first is None or last is None or first.ndim != 2 or last.ndim != 1:
            raise FingerprintError("the weights hold no probe: tensors are missing: member.0")
        numbers = len(last) if outputs is None else outputs + 1
        members = [Mlp(first.shape[1], numbers, first.shape[0]) for _ in range(count)]
        ensemble = cls(members, torch.zeros(2))
        require_shapes(tensors, {name: tuple(each.shape) for name, each in ensemble.tensors().items()})
        for place, member in enumerate(members):
            prefix = f"member.{place}."
            member.load_state_dict({name: tensors[prefix + name] for name in member.state_dict()})
        return cls([member.eval() for member in members], tensors["tokens"])


def fit_ensemble(
    objective: Objective, vectors: States, targets: Targets, folds: IntArray, seed: int
) -> tuple[Ensemble, FloatArray]:
    """Returns one network for each fold, which stopped training by it, and what each says of its fold.

    Args:
        objective: of the head.
        vectors: float32[n, size].
        targets: of the same n queries.
        folds: of each query, near duplicates in one, shape (n,).
        seed: of the first weights and the batches.

    Returns:
        The ensemble, and numbers of each query from the network that was not trained on it, float64[n, k].
    """
    tokens = spread(targets.log_tokens)
    given = torch.from_numpy(np.array(vectors, dtype=np.float32))
    wide = objective.outputs(targets.wanted.shape[1]) + 1
    members, held_out = [], np.empty((len(given), wide - 1))
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for fold in np.unique(folds):
            own = torch.from_numpy(folds == fold)
            member = Mlp(given.shape[1], wide)
            member.standardise(given[~own])
            loss = TotalLoss(objective, targets, tokens)
            descend(member, loss, torch.nonzero(~own)[:, 0], torch.nonzero(own)[:, 0], given)
            members.append(member.eval())
            held_out[own.numpy()] = Ensemble([member], tokens).outputs(given[own].numpy())[0]
    return Ensemble(members, tokens), held_out


@dataclass(frozen=True, eq=False)
class TotalLoss:
    """The head's loss, and a share of the squared error of the log tokens where they are known.

    Attributes:
        objective: of the head.
        targets: of all queries.
        tokens: centre and scale of the log tokens, float32[2].
    """

    objective: Objective
    targets: Targets
    tokens: Tensor

    def __call__(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Returns the mean loss of a network's numbers, tokens last, of the queries in rows int64[k]."""
        chosen = self.targets.take(rows)
        loss = self.objective.loss(outputs[:, :-1], chosen)
        known = ~chosen.log_tokens.isnan()
        if known.any():
            wanted = (chosen.log_tokens[known] - self.tokens[0]) / self.tokens[1]
            loss = loss + TOKENS_WEIGHT * ((outputs[known, -1] - wanted) ** 2).mean()
        return loss


def spread(log_tokens: Tensor) -> Tensor:
    """Returns centre and scale of the known log tokens, float32[2], NaN where none is known."""
    known = log_tokens[~log_tokens.isnan()]
    if not len(known):
        return torch.full((2,), torch.nan)
    return torch.stack([known.mean(), known.std(correction=0) + 1e-3])
