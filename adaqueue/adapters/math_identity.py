"""Whether two expressions are equal for all values of their symbols, found by working them out.

Both are worked out at the same random points. Where they differ at all of them, they are not equal. Where
they agree to 30 digits, they are worked out again to more digits than any step on the way was large or small,
so that no difference can hide; only then they are equal.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from adaqueue.adapters.math_expression import Node
from adaqueue.adapters.math_value import Evaluation, NoValueError, mp, mpf

FIRST_BITS = 140
"""Forty decimal digits, of which 30 must agree."""
_AGREE = 0.75
_DIFFER = 0.5
_PERIODIC = ("sin", "cos", "tan", "cot", "sec", "csc", "floor", "ceiling")
"""Of a large number they need every digit before the point."""
_COMMON_BASES = (10, None)
_KINDS = {"positive": 3, "negative": 2, "whole": 8}
_ENOUGH = 3
_ENOUGH_WHOLE = 6
"""Where an expression has values at whole numbers alone, as (-1)^n has: odd and even ones are among them."""


def symbols(node: Node) -> frozenset[str]:
    """Returns the names of an expression's symbols."""
    if isinstance(node, Fraction):
        return frozenset()
    if node[0] == "symbol":
        return frozenset({str(node[1])})
    return frozenset().union(*(symbols(part) for part in node[1:] if not isinstance(part, str)))


def has(node: Node, *operations: str) -> bool:
    """Whether one of these operations occurs in the expression."""
    if isinstance(node, Fraction) or node[0] in {"symbol", "constant"}:
        return False
    return node[0] in operations or any(
        has(part, *operations) for part in node[1:] if not isinstance(part, str)
    )


def identical(first: Node, second: Node) -> bool | None:
    """Returns whether two expressions are equal; None where the points do not agree among themselves.

    Where a logarithm names no base, both readings (10 and e) must say the same.

    Raises:
        TooLargeError: a step is too large to be worked out.
    """
    if infinite(first) is not None or infinite(second) is not None:
        return _endless(first, second)
    bases = _COMMON_BASES if has(first, "log", "lg") or has(second, "log", "lg") else (10,)
    said = {_identical(first, second, base) for base in bases}
    return said.pop() if len(said) == 1 else None


def proportional(first: Node, second: Node) -> bool | None:
    """Returns whether one expression is a constant multiple of the other, so that both vanish together.

    Raises:
        TooLargeError: a step is too large to be worked out.
    """
    names = sorted(symbols(first) | symbols(second))
    ratios = []
    for _, point in _points(names, repr((first, second))):
        for bits in (FIRST_BITS,):
            try:
                ratios.append(_ratio(first, second, point, bits))
            except NoValueError:
                continue
    if len(ratios) < 4:
        return None
    if any(ratio == 0 for ratio in ratios):
        return False
    return all(_agreement(ratio, ratios[0], FIRST_BITS) is True for ratio in ratios)


def _ratio(first: Node, second: Node, point: Mapping[str, Any], bits: int) -> Any:
    above, below = Evaluation(point, 10, bits).value(first), Evaluation(point, 10, bits).value(second)
    if below == 0 and above == 0:
        raise NoValueError("both vanish")
    with mp.workprec(bits):
        return above / below if below != 0 else mpf(0)


def infinite(node: Node) -> int | None:
    """Returns 1 for infinity, -1 for its negative, None for everything else."""
    if node == ("constant", "infty"):
        return 1
    if isinstance(node, tuple) and node[0] == "negate" and node[1] == ("constant", "infty"):
        return -1
    return None


def _endless(first: Node, second: Node) -> bool | None:
    one, other = infinite(first), infinite(second)
    if one is not None and other is not None:
        return one == other
    finite = second if other is None else first
    return None if symbols(finite) else False


def _identical(first: Node, second: Node, base: int | None) -> bool | None:
    names = sorted(symbols(first) | symbols(second))
    said: dict[str, list[bool]] = {kind: [] for kind in _KINDS}
    for kind, point in _points(names, repr((first, second))):
        answer = _at(first, second, point, base)
        if answer is None:
            return None
        said[kind] += answer
    return _conclusion(said, bool(names))


def _conclusion(said: Mapping[str, list[bool]], varies: bool) -> bool | None:
    everywhere = [answer for answers in said.values() for answer in answers]
    elsewhere = said["positive"] + said["negative"]
    if not everywhere or (varies and len(elsewhere) < _ENOUGH and len(said["whole"]) < _ENOUGH_WHOLE):
        return None
    if all(everywhere):
        return True
    chance = said["whole"].count(True)
    if not any(elsewhere) and elsewhere and chance <= len(said["whole"]) / 2:
        return False
    return None


def _at(first: Node, second: Node, point: Mapping[str, Any], base: int | None) -> list[bool] | None:
    """One answer, none where an expression has no value there, None where they agree but for rounding."""
    common = mp.e if base is None else base
    bits = FIRST_BITS
    for attempt in range(2):
        sides = [Evaluation(point, common, bits) for _ in range(2)]
        try:
            values = [side.value(node) for side, node in zip(sides, (first, second), strict=True)]
        except NoValueError:
            return []
        answer = _agreement(values[0], values[1], bits)
        largest = max(side.largest for side in sides)
        sure = largest < bits * _DIFFER or not (has(first, *_PERIODIC) or has(second, *_PERIODIC))
        if attempt == 1 or (answer is False and sure):
            return None if answer is None else [answer]
        bits = 4 * (largest + FIRST_BITS)
    return None


def _agreement(first: Any, second: Any, bits: int) -> bool | None:
    if first == second:
        return True
    with mp.workprec(bits):
        apart = mp.mag(first - second) - max(mp.mag(first), mp.mag(second))
    if apart < -_AGREE * bits:
        return True
    return False if apart > -_DIFFER * bits else None


def _points(names: list[str], seed: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Points that nobody who writes an answer can foresee, and that are the same every time."""
    if not names:
        yield "positive", {}
        return
    rng = random.Random(hashlib.blake2b(seed.encode(), digest_size=16).digest())  # noqa: S311 - no secret
    draws: dict[str, Callable[[], Any]] = {
        "positive": lambda: mpf(rng.randrange(2**38, 2**42)) / 2**40,
        "negative": lambda: -mpf(rng.randrange(2**38, 2**42)) / 2**40,
        "whole": lambda: mpf(rng.randrange(2, 14)),
    }
    for kind, times in _KINDS.items():
        for number in range(times):
            point = {name: draws[kind]() for name in names}
            if kind == "whole":
                point[names[0]] = mpf(2 + number)
            yield kind, point
