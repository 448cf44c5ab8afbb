"""What is measured every night, and what of it is an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from adaqueue.core.specs import digest

RECORDED = "recorded"
LIVE = "live"


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on one policy's figure at one average budget.

    Attributes:
        policy: its name.
        budget: average budget B in samples, or of routing between two decoders the share of strong calls.
        bound: largest, or smallest, value that is no alarm.
    """

    policy: str
    budget: float
    bound: float


@dataclass(frozen=True, slots=True)
class Alarms:
    """When somebody is to be told.

    Attributes:
        max_equal_reward_budget: samples for uniform's reward, as a share of uniform's, at most.
        min_reward: mean reward at least.
        min_success: share of queries that the live system really solved, at least.
        max_ece: the probe's calibration error at most; None: any.
        regression: by so much a figure may be worse than in the last nights, beyond chance or not.
    """

    max_equal_reward_budget: tuple[Limit, ...] = ()
    min_reward: tuple[Limit, ...] = ()
    min_success: tuple[Limit, ...] = ()
    max_ece: float | None = None
    regression: float = 0.02


@dataclass(frozen=True, slots=True)
class Suite:
    """One thing that is measured every night.

    Attributes:
        name: unique in its file.
        kind: `recorded`, outcomes are replayed; `live`, queries go through the system that is up.
        files: of recorded outcomes, or of queries, JSON lines, no two of one name; `.gz` is read too.
        policies: live: that answer the queries; recorded: that are watched.
        budgets: average budgets B, increasing; empty: as `adaqueue evaluate` chooses.
        draws: live: samples of each query that score, at least as many as the largest budget.
        features: recorded: what the probe reads, `text` or the folder of a model.
        metadata: recorded: pieces of the rows' metadata that it reads too.
        folds: recorded: parts into which queries are split.
        seeds: recorded: ways to split them; None: as `adaqueue evaluate` chooses.
        alarms: when somebody is to be told.
    """

    name: str
    kind: str
    files: tuple[str, ...]
    policies: tuple[str, ...]
    budgets: tuple[int, ...] = ()
    draws: int = 0
    features: str = "text"
    metadata: tuple[str, ...] = ()
    folds: int = 5
    seeds: int | None = None
    alarms: Alarms = Alarms()

    def basis(self, digests: Sequence[str | None]) -> str:
        """Returns a digest that two nights share if they measured the same thing; alarms are no part of it.

        Args:
            digests: of the files' contents.
        """
        told = {
            name: value for name, value in asdict(self).items() if name not in ("alarms", "files", "name")
        }
        return digest({**told, "data": sorted(map(str, digests))})


@dataclass(frozen=True, slots=True)
class Measured:
    """What a suite came to on one night.

    Attributes:
        sets: figures of each file, as `adaqueue evaluate --json` writes them; a live set has `live` besides.
        about: what was measured, by what: the probe in use, the model, versions; named beside a regression.
    """

    sets: Mapping[str, Mapping[str, Any]]
    about: Mapping[str, str]
