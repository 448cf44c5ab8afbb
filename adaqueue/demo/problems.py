"""The demo's problems of both domains: endless streams, repeatable by seed, in splits without overlap."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Protocol

from adaqueue.demo.arithmetic import draw_calculation
from adaqueue.demo.completions import draw_completion
from adaqueue.demo.split import Split

Domain = Literal["math", "code"]


class Problem(Protocol):
    """One thing to ask and to learn; equal problems have equal prompts."""

    @property
    def id(self) -> str:
        """A name that no other problem has."""

    @property
    def prompt(self) -> str:
        """What the user says."""

    @property
    def response(self) -> str:
        """A right response."""

    @property
    def reference(self) -> str | Mapping[str, Any]:
        """What any response is verified against."""

    @property
    def split(self) -> Split:
        """The one split to which the problem belongs."""


DRAWERS: dict[Domain, Callable[[random.Random], Problem]] = {
    "math": draw_calculation,
    "code": draw_completion,
}
"""What draws a problem of a domain, of whatever split."""


def problems(domain: Domain, split: Split, seed: int) -> Iterator[Problem]:
    """An endless stream of one split's problems, the same for the same seed; small problems recur."""
    random_source = random.Random(f"{split}/{seed}")  # noqa: S311 - a game of chance, no secret
    while True:
        problem = DRAWERS[domain](random_source)
        if problem.split == split:
            yield problem


def distinct_problems(domain: Domain, split: Split, count: int, seed: int) -> list[Problem]:
    """The first `count` different problems of `problems(domain, split, seed)`, in its order.

    Raises:
        ValueError: The count is negative.
    """
    if count < 0:
        raise ValueError(f"count must be at least 0, not {count}")
    found: dict[str, Problem] = {}
    stream = problems(domain, split, seed)
    while len(found) < count:
        problem = next(stream)
        found.setdefault(problem.id, problem)
    return list(found.values())
