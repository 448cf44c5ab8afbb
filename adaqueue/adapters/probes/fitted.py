"""A fitted probe of any head: a model's numbers, what the head makes of them, a calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from adaqueue.adapters.probes.artefacts import pack, require_shapes
from adaqueue.adapters.probes.heads import HEADS
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.calibration import Calibration
from adaqueue.core.outcomes import States
from adaqueue.errors import FingerprintError

PREFIX = "calibration."


class Model(Protocol):
    """What a head has learned, before calibration."""

    def beliefs(self, states: States | None, prompts: Sequence[str]) -> Beliefs:
        """Returns the beliefs of n queries."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Returns the weights by name."""
        ...


@dataclass(frozen=True, eq=False)
class FittedProbe:
    """A probe, see `ports.Probe`.

    Attributes:
        head: what was trained, one of `HEADS`.
        model: what it learned.
        calibration: fitted on held-out queries.
        held_out: of each training query with samples, in their order, the beliefs of a model that was not
            trained on it, calibrated: what a rule may be fitted on; None of a probe that was read back.
    """

    head: str
    model: Model
    calibration: Calibration
    held_out: Beliefs | None = None

    @property
    def reads(self) -> str:
        """`states` or `prompts`."""
        return HEADS[self.head].reads

    def predict(self, states: States | None, prompts: Sequence[str]) -> Beliefs:
        """Returns the beliefs of n queries, see `ports.Probe`."""
        if self.reads == "states" and states is None:
            raise FingerprintError(f"the probe ({self.head}) reads hidden states, and there are none")
        return self.calibration.apply(self.model.beliefs(states, prompts))

    def to_bytes(self) -> bytes:
        """Returns the weights as safetensors, with the head's name in their metadata."""
        return pack(self.head, {**self.model.tensors(), **_calibration_tensors(self.calibration)})


def _calibration_tensors(given: Calibration) -> dict[str, Tensor]:
    line = np.array([given.intercept, given.slope, given.growth])
    arrays = {"line": line, "knots": given.knots, "levels": given.levels}
    return {PREFIX + name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def split_calibration(tensors: Mapping[str, Tensor]) -> tuple[Calibration, dict[str, Tensor]]:
    """Returns the calibration among the tensors, and the others.

    Raises:
        FingerprintError: there is none, or it is no calibration.
    """
    own = {name: tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    knots = own.get(PREFIX + "knots")
    shape = () if knots is None else tuple(knots.shape[:1])
    require_shapes(own, {PREFIX + "line": (3,), PREFIX + "knots": shape, PREFIX + "levels": shape})
    line, knots_, levels = (own[PREFIX + name].double().numpy() for name in ("line", "knots", "levels"))
    rest = {name: tensor for name, tensor in tensors.items() if name not in own}
    return Calibration(float(line[0]), float(line[1]), float(line[2]), knots_, levels), rest
