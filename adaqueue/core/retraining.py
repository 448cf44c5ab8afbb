"""How probes are retrained, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from adaqueue.core.marginal import IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.trial import Drift, Trial

HELD_OUT_SHARE = 0.25
"""Of all prompts, by their hash, so that no probe of any night has learnt from them."""


@dataclass(frozen=True)
class Plan:
    """How probes are retrained.

    Attributes:
        heads: that are trained.
        fewest: drawn queries without which nothing is trained.
        promotes: whether a challenger that wins its trial is put into use.
        seed: of everything random.
    """

    heads: tuple[str, ...]
    fewest: int
    promotes: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Challenger:
    """A probe that was trained.

    Attributes:
        name: in the registry.
        head: what was trained.
        trial: how it does against the probe in use.
    """

    name: str
    head: str
    trial: Trial


@dataclass(frozen=True)
class Retraining:
    """What came of it.

    Attributes:
        queries: that have drawn, of those that were looked at.
        champion: name of the probe in use before; None: there was none, and a constant stood in for it.
        drift: of the champion; None where it decided on too few queries.
        data: where the outcomes come from, as plain data.
        challengers: that were trained.
        promoted: name of the one that was put into use; None: none was.
        refusal: which heads were not trained, and why; empty where all were.
    """

    queries: int
    champion: str | None
    drift: Drift | None
    data: Mapping[str, Any]
    challengers: tuple[Challenger, ...] = ()
    promoted: str | None = None
    refusal: str = ""

    def to_data(self) -> dict[str, Any]:
        """Returns it as plain data that JSON can hold."""
        return {
            **asdict(self),
            "drift": None if self.drift is None else {**asdict(self.drift), "is_alarm": self.drift.is_alarm},
            "challengers": [
                {"name": one.name, "head": one.head, **asdict(one.trial), "objections": one.trial.objections}
                for one in self.challengers
            ],
        }


def sides(outcomes: Outcomes, share: float = HELD_OUT_SHARE) -> tuple[IntArray, IntArray]:
    """Returns the rows that teach and the rows that judge; what nearly repeats a judge does neither.

    A prompt's hash says whether it judges, so that it does every night, and never taught the probe it judges.
    """
    judges = np.array([_uniform(prompt) < share for prompt in outcomes.prompts], dtype=np.bool_)
    near = np.isin(outcomes.groups, outcomes.groups[judges])
    return np.flatnonzero(~near), np.flatnonzero(judges)


def _uniform(prompt: str) -> float:
    digest = hashlib.blake2b(prompt.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64
