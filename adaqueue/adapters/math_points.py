"""Where expressions are worked out: points that nobody foresees and that are the same every time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any

from adaqueue.adapters.math_value import mpf

Point = dict[str, Any]

MAGNITUDES = range(1, 7)
"""Powers of ten around which far points lie, of either sign."""
MAX_LEADERS = 3
"""Symbols that go through all these sizes one by one, while the others are drawn."""
_KINDS = {"positive": 3, "negative": 2, "whole": 8}
_FINE = 2**40
_FOR_EACH = 2


def points(names: Sequence[str], seed: str) -> Iterator[tuple[str, Point]]:
    """Yields each point near zero and its kind: `positive`, `negative`, or `whole` numbers from 2 on."""
    if not names:
        yield "positive", {}
        return
    rng = _random(seed)
    draws: dict[str, Callable[[], Any]] = {
        "positive": lambda: mpf(rng.randrange(2**38, 2**42)) / _FINE,
        "negative": lambda: -mpf(rng.randrange(2**38, 2**42)) / _FINE,
        "whole": lambda: mpf(rng.randrange(2, 14)),
    }
    for kind, times in _KINDS.items():
        for number in range(times):
            point = {name: draws[kind]() for name in names}
            if kind == "whole":
                point[names[0]] = mpf(2 + number)
            yield kind, point


def far_points(names: Sequence[str], seed: str, constants: Iterable[Any]) -> Iterator[Point]:
    """Yields points of many sizes, each symbol of a sign of its own, some near these positive constants."""
    rng = _random(seed + " far")
    sizes = [mpf(10) ** power for power in (-1, *MAGNITUDES)]
    turns = [turn for value in constants for turn in (value, value / 2, value**0.5, value * value)]
    for leader in names[:MAX_LEADERS]:
        for own in turns + sizes:
            for sign, spread in product((1, -1), range(1, _FOR_EACH + 1)):
                point = {
                    name: rng.choice((1, -1)) * _around(rng, rng.choice(sizes), spread) for name in names
                }
                yield {**point, leader: sign * _around(rng, own, spread)}


def _around(rng: random.Random, size: Any, spread: int) -> Any:
    """A little more than a size, or anything up to thrice as much, or a whole number there."""
    share = mpf(rng.randrange(1, _FINE)) / _FINE
    return size + share if spread == 1 else (2 * share + mpf(1) / 2) * size


def _random(seed: str) -> random.Random:
    return random.Random(hashlib.blake2b(seed.encode(), digest_size=16).digest())  # noqa: S311 - no secret
