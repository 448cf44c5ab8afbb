"""What pieces of answers are worth, symbolically: to be asked in a process that may be killed.

Our own reader comes first. What it cannot read for a sum, a product, an integral or a limit goes to
math-verify's parser, and what that makes of it is believed only as far as numbers confirm it.
"""

from __future__ import annotations

from fractions import Fraction

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
        """Whether one equation is the other times a number; no, for polynomials in the same names."""
        one, other = _difference(*first), _difference(*second)
        if one is None or other is None:
            return None
        try:
            said = proportional(one, other)
            if said is False and _may_vanish_together(one, other):
                return None
        except TooLargeError:
            self.guarded = True
            return None
        comparable = symbols(one) == symbols(other) and _is_polynomial(one) and _is_polynomial(other)
        if said is False and not comparable:
            return None
        return said

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


def _may_vanish_together(first: Node, second: Node) -> bool:
    """Whether one may be a power of the other, or a product in which a factor occurs more than once."""
    if any(_is_product(side) for side in (first, second)):
        return True
    powers = [(first, second, exponent) for exponent in (2, 3)] + [
        (second, first, exponent) for exponent in (2, 3)
    ]
    return any(proportional(("power", one, Fraction(k)), other) is not False for one, other, k in powers)


def _is_product(node: Node) -> bool:
    """Whether it is a product or power and nothing, as in `x^2 = 0`."""
    if not isinstance(node, tuple) or node[0] != "subtract":
        return False
    sides = [side for side in node[1:] if side != 0]
    return len(sides) == 1 and isinstance(sides[0], tuple) and sides[0][0] in {"multiply", "power"}


def _is_polynomial(node: Node) -> bool:
    """Whether only sums, products and whole powers occur: such curves differ if they are not scaled."""
    if not isinstance(node, tuple) or node[0] in {"symbol", "constant"}:
        return True
    if node[0] == "power":
        exponent = node[2]  # type: ignore[misc]
        return _is_polynomial(node[1]) and isinstance(exponent, Fraction) and exponent.denominator == 1  # type: ignore[arg-type]
    allowed = {"add", "subtract", "multiply", "negate", "divide"}
    return node[0] in allowed and all(_is_polynomial(part) for part in node[1:] if not isinstance(part, str))
