"""How probes are retrained, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from adaqueue.core.outcomes import BoolArray, Outcomes
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
        queries: drawn queries that it could learn from and be judged by.
        champion: name of the probe in use before; None: there was none, and a constant stood in for it.
        drift: of the champion; None where it decided on too few queries.
        data: where the outcomes come from, as plain data.
        challengers: that were trained.
        promoted: name of the one that was put into use; None: none was.
        refusal: why nothing was trained; empty where something was.
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


def held_out(outcomes: Outcomes, share: float = HELD_OUT_SHARE) -> BoolArray:
    """Returns which queries judge, shape (n,): near duplicates together, by the hash of the oldest's prompt.

    The same prompt judges every night, and so never taught the probe that it judges.
    """
    _, oldest, group = np.unique(outcomes.groups, return_index=True, return_inverse=True)
    judges = np.array([_uniform(outcomes.prompts[row]) < share for row in oldest], dtype=np.bool_)
    chosen: BoolArray = judges[group]
    return chosen


def _uniform(prompt: str) -> float:
    digest = hashlib.blake2b(prompt.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64
