"""What pieces of answers are worth, symbolically: to be asked in a process that may be killed.

Our own reader comes first. What it cannot read for a sum, a product, an integral or a limit goes to
math-verify's parser, and what that makes of it is believed only as far as numbers confirm it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from adaqueue.adapters.math_expression import Node, read_expression
from adaqueue.adapters.math_identity import identical, proportional
from adaqueue.adapters.math_second import needs_second_reader, second_opinion
from adaqueue.adapters.math_tokens import UnreadableError
from adaqueue.adapters.math_tree import symbols
from adaqueue.adapters.math_value import TooLargeError


class Symbolic:
    """The arithmetic of expressions, see `math_compare.Arithmetic`.

    Attributes:
        guarded: something was too large to be worked out.
    """

    def __init__(self) -> None:
        self.guarded = False

    def equal(self, first: str, second: str) -> bool | None:
        """Returns whether two expressions are equal, None where that cannot be told."""
        if first == second:
            return True
        one, other = _tree(first), _tree(second)
        try:
            if one is not None and other is not None:
                return _equal(one, other)
            if needs_second_reader(first) or needs_second_reader(second):
                return second_opinion(first, second)
        except TooLargeError:
            self.guarded = True
            return False if _is_too_large(one) != _is_too_large(other) else None
        return None

    def same_curve(self, first: tuple[str, str], second: tuple[str, str]) -> bool | None:
        """Whether one equation is the other times a number; no, for lines or conics in the same names."""
        one, other = _difference(*first), _difference(*second)
        if one is None or other is None:
            return None
        try:
            said = proportional(one, other)
        except TooLargeError:
            self.guarded = True
            return None
        return None if said is False and not _are_comparable(one, other) else said

    def is_one_value(self, text: str) -> bool:
        """Whether a text is one expression."""
        return _tree(text) is not None


def _equal(first: Node, second: Node) -> bool | None:
    said = identical(first, second)
    one, other = symbols(first), symbols(second)
    if said is False and one != other and {name.lower() for name in one} == {name.lower() for name in other}:
        return None  # N for n: perhaps a slip, perhaps another variable
    return said


def _is_too_large(node: Node | None) -> bool:
    """Whether it is the one that cannot be worked out: then the two differ, or nobody can tell."""
    try:
        if node is not None:
            identical(node, node)
    except TooLargeError:
        return True
    return False


def _tree(text: str) -> Node | None:
    try:
        return read_expression(text)
    except UnreadableError:
        return None


def _difference(left: str, right: str) -> Node | None:
    one, other = _tree(left), _tree(right)
    return None if one is None or other is None else ("subtract", one, other)


def _are_comparable(first: Node, second: Node) -> bool:
    """Whether two curves that are not scaled must differ; `x^3 = y^3` is `x = y`."""
    if symbols(first) != symbols(second) or _is_product(first) or _is_product(second):
        return False
    return _degree(first) == _degree(second) in {1, 2}


def _is_product(node: Node) -> bool:
    """Whether it is a product or power and nothing, as in `x^2 = 0`."""
    if not isinstance(node, tuple) or node[0] != "subtract":
        return False
    sides = [side for side in node[1:] if side != 0]
    return len(sides) == 1 and isinstance(sides[0], tuple) and sides[0][0] in {"multiply", "power"}


def _degree(node: Node) -> int | None:
    """The degree of a polynomial as it is written, None for everything else."""
    if not symbols(node):
        return 0
    if not isinstance(node, tuple) or node[0] == "symbol":
        return 1
    degrees = [_degree(part) for part in node[1:]]  # type: ignore[arg-type]
    one, other = degrees[0], degrees[-1]
    if one is None or other is None:
        return None
    if node[0] in {"add", "subtract", "negate"}:
        return max(one, other)
    return one + other if node[0] == "multiply" else _degree_of_power(node, one)


def _degree_of_power(node: tuple[Any, ...], degree: int) -> int | None:
    """Of a polynomial over or to the power of something."""
    operation, _, other = node if len(node) == 3 else (*node, None)
    if operation == "divide" and not symbols(other):
        return degree
    whole = isinstance(other, Fraction) and other.denominator == 1 and other > 0
    return degree * int(other) if operation == "power" and whole else None
