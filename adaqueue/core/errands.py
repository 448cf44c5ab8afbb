"""Runs by which a live suite measures the system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adaqueue.core.records import Drawn, Result


@dataclass(frozen=True, slots=True)
class Errand:
    """One run through the system.

    Attributes:
        name: of the run; a run of that name that is open is continued, and nothing given twice.
        policy: who gets how many samples.
        average_budget: B.
    """

    name: str
    policy: str
    average_budget: int


@dataclass(frozen=True, eq=False)
class Ran:
    """What became of a run.

    Attributes:
        results: how each query ended.
        drawn: what was believed of each query that had samples, and what came out.
    """

    results: Sequence[Result]
    drawn: Sequence[Drawn]
