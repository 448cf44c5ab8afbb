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
from adaqueue.core.marginal import IntArray
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
        held_out: calibrated beliefs of training queries, each from a model that was not trained on it: what a
            rule may be fitted on; None of a probe that was read back.
        held_out_rows: their rows among the training outcomes; None likewise.
    """

    head: str
    model: Model
    calibration: Calibration
    held_out: Beliefs | None = None
    held_out_rows: IntArray | None = None

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
    own, rest = split(tensors, PREFIX)
    count = own["knots"].numel() if "knots" in own else 0
    require_shapes(own, {"line": (3,), "knots": (count,), "levels": (count,)})
    line, knots, levels = (own[name].double().numpy() for name in ("line", "knots", "levels"))
    return Calibration(float(line[0]), float(line[1]), float(line[2]), knots, levels), rest


def split(tensors: Mapping[str, Tensor], prefix: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Returns the tensors with a prefix, which is cut off, and the others."""
    own = {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
    return own, {name: each for name, each in tensors.items() if not name.startswith(prefix)}
