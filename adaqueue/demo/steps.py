"""Steps that turn one whole number into another: in words, as Python, and as what they do."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

ARGUMENT_RANGES: dict[str, tuple[int, int]] = {
    "add": (1, 40),
    "subtract": (1, 40),
    "multiply by": (2, 9),
    "divide without remainder by": (2, 9),
    "take the remainder by": (2, 30),
    "keep at most": (1, 99),
    "keep at least": (1, 99),
}
"""Smallest and largest number that a step may name."""

BARE = ("square it", "negate it", "take the absolute value")
"""Steps that name no number."""

KINDS = (*ARGUMENT_RANGES, *BARE)

ATOM, PRODUCT, SUM = range(3)
"""How loosely an expression binds; what binds more loosely than its place allows goes in parentheses."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        kind: One of `KINDS`.
        number: The number that it names; None for a bare step.
    """

    kind: str
    number: int | None = None

    @property
    def words(self) -> str:
        """The step as a specification writes it, for example `add 7`."""
        return self.kind if self.number is None else f"{self.kind} {self.number}"

    def apply(self, value: int) -> int:
        """What the step makes of a value."""
        return _applied(self.kind, value, self.number or 0)


def draw_steps(random_source: random.Random, count: int, kinds: Sequence[str] = KINDS) -> tuple[Step, ...]:
    """So many steps of the given kinds, at most one of them a square, so that results stay readable."""
    chosen = random_source.choices(kinds, k=count)
    while chosen.count("square it") > 1:
        chosen = random_source.choices(kinds, k=count)
    return tuple(_step(random_source, kind) for kind in chosen)


def apply_steps(steps: Sequence[Step], value: int) -> int:
    """What all steps, one after the other, make of a value."""
    for step in steps:
        value = step.apply(value)
    return value


def expression(steps: Sequence[Step]) -> str:
    """The steps on `x` as one Python expression, with the parentheses it needs and no more."""
    text, binding = "x", ATOM
    for step in steps:
        text, binding = _wrapped(step, text, binding)
    return text


def _step(random_source: random.Random, kind: str) -> Step:
    return Step(kind) if kind in BARE else Step(kind, random_source.randint(*ARGUMENT_RANGES[kind]))


def _applied(kind: str, value: int, number: int) -> int:
    results = {
        "add": value + number,
        "subtract": value - number,
        "multiply by": value * number,
        "keep at most": min(value, number),
        "keep at least": max(value, number),
        "square it": value * value,
        "negate it": -value,
        "take the absolute value": abs(value),
    }
    if kind == "divide without remainder by":
        return value // number
    return value % number if kind == "take the remainder by" else results[kind]


_SUMS = {"add": "+", "subtract": "-"}
_PRODUCTS = {"multiply by": "*", "divide without remainder by": "//", "take the remainder by": "%"}
_CALLS = {"keep at most": "min", "keep at least": "max"}


def _wrapped(step: Step, text: str, binding: int) -> tuple[str, int]:
    if step.kind in _SUMS:
        return f"{text} {_SUMS[step.kind]} {step.number}", SUM
    if step.kind in _PRODUCTS:
        factor = _enclosed(text, binding, loosest=PRODUCT)
        return f"{factor} {_PRODUCTS[step.kind]} {step.number}", PRODUCT
    if step.kind in _CALLS:
        return f"{_CALLS[step.kind]}({text}, {step.number})", ATOM
    if step.kind == "take the absolute value":
        return f"abs({text})", ATOM
    atom = _enclosed(text, binding, loosest=ATOM)
    return (f"{atom} ** 2", PRODUCT) if step.kind == "square it" else (f"-{atom}", PRODUCT)


def _enclosed(text: str, binding: int, loosest: int) -> str:
    return text if binding <= loosest else f"({text})"
