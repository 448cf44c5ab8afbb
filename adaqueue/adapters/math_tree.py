"""What occurs in an expression's tree."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from adaqueue.adapters.math_expression import Node

_BRANCHING = frozenset(
    {
        "absolute",
        "abs",
        "floor",
        "ceiling",
        "root",
        "sqrt",
        "arcsin",
        "arccos",
        "arctan",
        "ln",
        "log",
        "lg",
        "logarithm",
    }
)
"""What of a symbol follows one formula here and another one there."""


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


def constants(node: Node) -> list[Node]:
    """Returns the parts of the expression that hold no symbol, the largest first."""
    return [part for part in _all_of(node) if not symbols(part)]


def has_branches(node: Node) -> bool:
    """Whether the expression may follow one formula here and another one there: `|x|`, a root, a floor."""
    return any(_branches(part) for part in _all_of(node))


def _branches(node: Node) -> bool:
    if isinstance(node, Fraction):
        return False
    if node[0] == "power":
        exponent = node[2]  # type: ignore[misc]
        return bool(symbols(node[1])) and not _is_whole(exponent)  # type: ignore[arg-type]
    return node[0] in _BRANCHING and bool(symbols(node))


def _is_whole(node: Node) -> bool:
    if isinstance(node, tuple) and node[0] == "negate":
        return _is_whole(node[1])  # type: ignore[arg-type]
    return isinstance(node, Fraction) and node.denominator == 1


def _all_of(node: Node) -> Iterator[Node]:
    """The expression and all that it is made of."""
    yield node
    if isinstance(node, tuple) and node[0] not in {"symbol", "constant"}:
        for part in node[1:]:
            yield from _all_of(part)  # type: ignore[arg-type]
