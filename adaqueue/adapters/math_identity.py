"""Whether two expressions are equal for all values of their symbols, found by working them out.

Both are worked out at the same random points. Where they differ at all of them, they are not equal. Where
they agree to 30 digits, they are worked out again to more digits than any step on the way was large or small,
so that no difference can hide; only then they are equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from adaqueue.adapters.math_expression import Node
from adaqueue.adapters.math_points import far_points, points
from adaqueue.adapters.math_tree import constants, has, has_branches, symbols
from adaqueue.adapters.math_value import Evaluation, NoValueError, TooLargeError, mp

FIRST_BITS = 140
"""Forty decimal digits, of which 30 must agree."""
_AGREE = 0.75
_DIFFER = 0.5
_PERIODIC = ("sin", "cos", "tan", "cot", "sec", "csc", "floor", "ceiling")
"""Of a large number they need every digit before the point."""
_COMMON_BASES = (10, None)
_ENOUGH = 3
_ENOUGH_FAR = 6
_MOST_SIZES = 6
_ENOUGH_WHOLE = 6
"""Where an expression has values at whole numbers alone, as (-1)^n has: odd and even ones are among them."""


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

    It is if first(x) second(y) = second(x) first(y) for all x and y.

    Raises:
        TooLargeError: a step is too large to be worked out.
    """
    if any(identical(side, Fraction(0)) is not False for side in (first, second)):
        return None
    return identical(
        ("multiply", first, _elsewhere(second)),
        ("multiply", _elsewhere(first), second),
    )


def _elsewhere(node: Node) -> Node:
    """The expression with other symbols."""
    if isinstance(node, Fraction) or node[0] == "constant":
        return node
    if node[0] == "symbol":
        return "symbol", f"{node[1]} elsewhere"
    return (node[0], *map(_elsewhere, node[1:]))  # type: ignore[arg-type, return-value]


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
    said: dict[str, list[bool]] = defaultdict(list)
    for kind, point in points(names, repr((first, second))):
        answer = _at(first, second, point, base)
        if answer is None:
            return None
        said[kind] += answer
    equal = _conclusion(said, bool(names))
    if equal and (has_branches(first) or has_branches(second)):
        return _holds_far_away(first, second, base)
    return equal


def _holds_far_away(first: Node, second: Node, base: int | None) -> bool | None:
    """Whether what holds near zero holds wherever else it can be worked out; None where it does not."""
    names = sorted(symbols(first) | symbols(second))
    said: list[bool] = []
    for point in far_points(names, repr((first, second)), _sizes(first, second)):
        try:
            answer = _at(first, second, point, base)
        except TooLargeError:
            continue
        if answer is None or False in answer:
            return None
        said += answer
    return True if len(said) >= _ENOUGH_FAR else None


def _sizes(*nodes: Node) -> list[Any]:
    """What the largest parts without symbols are worth: where an expression with them may turn."""
    found: set[Any] = set()
    for part in (part for node in nodes for part in constants(node)):
        try:
            found.add(abs(Evaluation({}, 10, FIRST_BITS).value(part)))
        except (NoValueError, TooLargeError):
            continue
    return sorted(found - {0, 1}, reverse=True)[:_MOST_SIZES]


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
