"""A probe that adapts the base model too: LoRA trained end to end with a Beta head, one artefact of both.

Serving needs no other code than that of any probe: an adapter is added to a copy of the model's weights,
whose features are then read by the head.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.probes.artefacts import unpack
from adaqueue.adapters.probes.ensemble import Ensemble, TotalLoss, spread
from adaqueue.adapters.probes.fitted import FittedProbe, split
from adaqueue.adapters.probes.fitting import folds_of
from adaqueue.adapters.probes.mlp import Mlp
from adaqueue.adapters.probes.models import ADAPTER, SCALING, NetworkModel
from adaqueue.adapters.probes.objectives import OBJECTIVES, targets
from adaqueue.core.calibration import choose
from adaqueue.core.folds import balanced_folds
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.errors import FingerprintError

RANK = 8
RATE = 1e-3
DECAY = 0.01
ROUNDS = 20
PATIENCE = 2
BATCH = 64
READING = 256
PARTS = 5


def adapted(model: LanguageModel, data: bytes, sha256: str) -> LanguageModel:
    """Returns a copy of the model that runs with the adapter of a probe; the model itself stays as it is.

    Args:
        model: the base model that the adapter was trained on.
        data: a `lora` probe, as `to_bytes` gave it.
        sha256: the digest that the data must have.

    Raises:
        FingerprintError: the data is not what was registered, has no adapter, or one of another model.
    """
    _, tensors = unpack(data, sha256)
    adapter, _ = split(tensors, ADAPTER)
    if not adapter:
        raise FingerprintError("the weights hold a probe without an adapter")
    found = copy.copy(model)
    found.model = copy.deepcopy(model.model)
    layers = dict(found.model.base_model.named_modules())
    for name in sorted({factor.rpartition(".")[0] for factor in adapter}):
        _add(layers.get(name), name, adapter.get(f"{name}.lora_A"), adapter.get(f"{name}.lora_B"))
    return found


def _add(layer: Any, name: str, down: Tensor | None, up: Tensor | None) -> None:
    if layer is None or down is None or up is None:
        raise FingerprintError(f"the adapter belongs to another model: {name} is not in both")
    weight = layer.weight
    if (up.shape[0], down.shape[1]) != tuple(weight.shape) or up.shape[1] != down.shape[0]:
        raise FingerprintError(
            f"the adapter belongs to another model: {name} is {tuple(weight.shape)}, "
            f"not {tuple(up.shape)} by {tuple(down.shape)}"
        )
    with torch.no_grad():
        weight += (SCALING * (up @ down)).to(weight)


def fit_lora(model: LanguageModel, data: Outcomes, seed: int) -> FittedProbe:
    """Returns the probe whose adapter and head explain the counts of held-out queries best.

    A fifth of the groups is held out: their likelihood ends the training, their counts calibrate the head.

    Args:
        model: the base model; its layers are wrapped while this runs, and afterwards as they were.
        data: outcomes; their states are not read.
        seed: of the split, first weights and batches.

    Raises:
        BadOutcomesError: too few queries or groups have samples.
        EngineError: the chat template refuses a prompt.
    """
    seen = np.flatnonzero(data.samples > 0)
    drawn = data.take(seen)
    folds = folds_of(drawn, seed)
    own = np.flatnonzero(folds == folds[0])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        probe, numbers = _train(model, drawn, np.flatnonzero(folds != folds[0]), own)
    beliefs, held_out = OBJECTIVES["lora"].beliefs(numbers), drawn.take(own)
    parts = balanced_folds(held_out.groups, held_out.successes / held_out.samples, PARTS, seed)
    calibration = choose(beliefs, held_out.successes, held_out.samples, held_out.stopped, parts)
    return FittedProbe("lora", probe, calibration, calibration.apply(beliefs), seen[own])


def _train(
    model: LanguageModel, data: Outcomes, kept: IntArray, held_out: IntArray
) -> tuple[NetworkModel, FloatArray]:
    """Returns the best model by the held-out likelihood, and its numbers of the held-out queries."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=RANK, lora_alpha=int(SCALING * RANK), target_modules="all-linear")
    wrapped: Any = get_peft_model(model.model.base_model, config)
    try:
        training = _Training(model, wrapped, data)
        numbers = training.run(torch.from_numpy(kept), torch.from_numpy(held_out))
        head = Ensemble([training.head.cpu().eval()], training.loss.tokens)
        return NetworkModel("lora", head, _factors(wrapped)), numbers
    finally:
        wrapped.unload()


def _factors(wrapped: Any) -> dict[str, Tensor]:
    """Returns the adapter as `NetworkModel` names it."""
    from peft import get_peft_model_state_dict

    found: dict[str, Tensor] = get_peft_model_state_dict(wrapped)
    return {
        name.removeprefix("base_model.model.").removesuffix(".weight"): factor.detach().cpu().clone()
        for name, factor in found.items()
    }


class _Training:
    """Adapter and head on their way.

    Attributes:
        head: reads the last states.
        loss: of its numbers.
    """

    def __init__(self, model: LanguageModel, wrapped: Any, data: Outcomes) -> None:
        self._model, self._wrapped = model, wrapped
        self._prompts = [model.encode(messages)[-model.longest :] for messages in data.messages]
        given = targets("lora", data)
        self.loss = TotalLoss(OBJECTIVES["lora"], given.to(model.model.device), spread(given.log_tokens))
        self.head = Mlp(model.feature_spec().size, OBJECTIVES["lora"].outputs(0) + 1)

    def run(self, kept: Tensor, held_out: Tensor) -> FloatArray:
        """Trains until the held-out loss stops falling, goes back to the best, returns its numbers."""
        self.head.standardise(self._read(kept))
        self.head.to(self._model.model.device)
        best, best_loss, waited = self._weights(), float("inf"), 0
        optimizer = torch.optim.AdamW(self._parameters(), lr=RATE, weight_decay=DECAY)
        numbers = torch.empty(0)
        for _ in range(ROUNDS):
            for batch in torch.split(kept[torch.randperm(len(kept))], BATCH):
                optimizer.zero_grad()
                self.loss(self.head(self._states(batch)), batch).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            with torch.no_grad():
                found = self.head(self._read(held_out))
                lost = float(self.loss(found, held_out))
            waited += 1
            if lost < best_loss:
                best, best_loss, waited, numbers = self._weights(), lost, 0, found[:, :-1]
            elif waited > PATIENCE:
                break
        for parameter, weight in zip(self._parameters(), best, strict=True):
            parameter.data.copy_(weight)
        return np.asarray(numbers.double().cpu())

    def _parameters(self) -> list[Tensor]:
        adapter = [parameter for parameter in self._wrapped.parameters() if parameter.requires_grad]
        return [*adapter, *self.head.parameters()]

    def _weights(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self._parameters()]

    def _read(self, rows: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([self._states(batch) for batch in torch.split(rows, READING)])

    def _states(self, rows: Tensor) -> Tensor:
        """Returns the adapted model's states at the prompts' last tokens, float32[k, size]."""
        ids, mask = self._model.pad([self._prompts[row] for row in rows.tolist()], "right")
        states = self._wrapped(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        last: Tensor = states[torch.arange(len(rows), device=mask.device), mask.sum(dim=1) - 1]
        return last.float()
