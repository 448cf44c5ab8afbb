"""The demo's code: Python stubs with a specification of one line, to be completed, of graded difficulty.

A small model surely completes what can be read off the specification, step by step. Constants that have to be
worked out, as the slope of a line through two points, it finds sometimes or almost never.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adaqueue.demo.split import Split, split_of
from adaqueue.demo.steps import Step, apply_steps, draw_steps, expression

ENTRY = "f"
TESTS = 8
"""Hidden inputs per problem."""

STEP_COUNTS = {1: 15, 2: 30, 3: 30, 4: 15, 5: 10}
"""How often a chain has so many steps, in percent."""

FOLDABLE = ("add", "subtract", "multiply by")
FACTOR_SHAPES = ((1, 1), (1, 1), (1, 2), (2, 1), (2, 1), (3, 1), (2, 2), (2, 2), (2, 2), (3, 2))
"""Digits of slope and input where a constant is missing; each shape is as likely as its neighbours."""


@dataclass(frozen=True)
class Completion:
    """One stub and what it should do.

    Attributes:
        specification: The docstring, without its full stop.
        solution: A right expression to return.
        parameter: `x`, a whole number, or `xs`, a list of whole numbers.
        function: What the completed function computes, apart from `solution`.
    """

    specification: str
    solution: str
    parameter: str = field(compare=False)
    function: Callable[[Any], int] = field(compare=False, repr=False)

    @property
    def prompt(self) -> str:
        """The stub: signature, docstring and `return`."""
        return f'def {ENTRY}({self.parameter}):\n    """{self.specification}."""\n    return'

    @property
    def response(self) -> str:
        """What the model is to say, so that prompt and response are a whole function."""
        return f" {self.solution}"

    @property
    def reference(self) -> dict[str, Any]:
        """What a response is verified against: hidden inputs, fixed by the specification, with results."""
        inputs = _INPUTS[self.parameter](random.Random(self.specification))  # noqa: S311 - test data, no secret
        tests = [{"args": [value], "expected": self.function(value)} for value in inputs]
        return {"style": "function", "entry": ENTRY, "tests": tests}

    @property
    def id(self) -> str:
        """A name that no other problem has, for example `code-the-line-with-f-2-11-and-f-5-23`."""
        spelled = self.specification.lower().replace("-", "minus ")
        return "-".join(["code", *re.findall("[a-z0-9]+", spelled)])

    @property
    def split(self) -> Split:
        """The one split to which the problem belongs."""
        return split_of(self.specification)


def draw_completion(random_source: random.Random) -> Completion:
    """Any problem of any split, families as likely as the table at the end says."""
    return random_source.choices(list(FAMILIES), list(FAMILIES.values()))[0](random_source)


def polynomial(*coefficients: int) -> str:
    """A polynomial of `x` in Python, from the coefficients of falling powers, for example `4 * x - 3`."""
    text = ""
    for power, coefficient in zip(range(len(coefficients) - 1, -1, -1), coefficients, strict=True):
        factors = [str(abs(coefficient))] * (abs(coefficient) != 1 or power == 0) + ["x"] * power
        sign = "-" if coefficient < 0 else "+"
        if coefficient and text:
            text += f" {sign} " + " * ".join(factors)
        elif coefficient:
            text = sign.strip("+") + " * ".join(factors)
    return text or "0"


def _chain(random_source: random.Random) -> Completion:
    count = random_source.choices(list(STEP_COUNTS), list(STEP_COUNTS.values()))[0]
    steps = draw_steps(random_source, count)
    return Completion(
        f"Return x after these steps: {_words(steps)}",
        expression(steps),
        "x",
        lambda x: apply_steps(steps, x),
    )


def _folded_chain(random_source: random.Random) -> Completion:
    steps = draw_steps(random_source, random_source.choice((2, 2, 3, 3, 4)), FOLDABLE)
    intercept = apply_steps(steps, 0)
    return Completion(
        f"Fold into one product and one sum: {_words(steps)}",
        polynomial(apply_steps(steps, 1) - intercept, intercept),
        "x",
        lambda x: apply_steps(steps, x),
    )


def _missing_constant(random_source: random.Random) -> Completion:
    slope, at = (_number(random_source, digits) for digits in random_source.choice(FACTOR_SHAPES))
    constant = random_source.choice((-1, 1, 1)) * random_source.randint(1, 60)
    return Completion(
        f"Multiply x by {slope}, then add what makes f({at}) = {slope * at + constant}",
        polynomial(slope, constant),
        "x",
        lambda x: slope * x + constant,
    )


def _line(random_source: random.Random) -> Completion:
    slope, intercept = random_source.randint(-6, 15), random_source.randint(-10, 40)
    left = random_source.choice((0, 0, 1, 1, random_source.randint(2, 6)))
    right = left + random_source.randint(1, 6)
    return Completion(
        f"The line with {_value(left, slope, intercept)} and {_value(right, slope, intercept)}",
        polynomial(slope, intercept),
        "x",
        lambda x: slope * x + intercept,
    )


def _parabola(random_source: random.Random) -> Completion:
    square, slope, start = (random_source.randint(*bounds) for bounds in ((1, 6), (-4, 6), (0, 9)))
    first = random_source.choice((0, 0, 1))
    values = [_value(x, square, slope, start) for x in range(first, first + 3)]
    return Completion(
        f"The parabola with {values[0]}, {values[1]} and {values[2]}",
        polynomial(square, slope, start),
        "x",
        lambda x: square * x * x + slope * x + start,
    )


def _list_sum(random_source: random.Random) -> Completion:
    steps = draw_steps(random_source, random_source.choice((0, 0, 1, 1, 2)))
    kinds = random_source.sample(
        [random_source.choice(pair) for pair in _OPPOSITES], random_source.choice((1, 1, 2))
    )
    chosen = [(kind, random_source.randint(2, 30)) for kind in kinds]
    what = " and ".join(f"{kind} {number}" for kind, number in chosen)
    tests = " and ".join(_CONDITIONS[kind][0].format(number) for kind, number in chosen)
    after = f" after these steps: {_words(steps)}" if steps else ""
    return Completion(
        f"Add up all x in xs that are {what}{after}",
        f"sum({expression(steps)} for x in xs if {tests})",
        "xs",
        lambda xs: sum(apply_steps(steps, x) for x in xs if all(_CONDITIONS[k][1](x, n) for k, n in chosen)),
    )


_CONDITIONS: dict[str, tuple[str, Callable[[int, int], bool]]] = {
    "above": ("x > {}", lambda x, number: x > number),
    "below": ("x < {}", lambda x, number: x < number),
    "divisible by": ("x % {} == 0", lambda x, number: x % number == 0),
    "not divisible by": ("x % {} != 0", lambda x, number: x % number != 0),
}
_OPPOSITES = (("above", "below"), ("divisible by", "not divisible by"))


def _words(steps: tuple[Step, ...]) -> str:
    return "; ".join(step.words for step in steps)


def _value(x: int, *coefficients: int) -> str:
    result = 0
    for coefficient in coefficients:
        result = result * x + coefficient
    return f"f({x}) = {result}"


def _number(random_source: random.Random, digits: int) -> int:
    return random_source.randrange(2 if digits == 1 else 10 ** (digits - 1), 10**digits)


def _whole_numbers(random_source: random.Random) -> list[int]:
    drawn = [random_source.randint(low, high) for low, high in [(-99, -2)] * 2 + [(2, 30)] * 2 + [(31, 999)]]
    return [0, 1, -1, *drawn]


def _lists(random_source: random.Random) -> list[list[int]]:
    fixed = [[], [0], list(range(-35, 65)), list(range(31))]  # the ranges meet every condition on both sides
    lengths = [random_source.randint(3, 8) for _ in range(TESTS - len(fixed))]
    return [*fixed, *([random_source.randint(-99, 99) for _ in range(length)] for length in lengths)]


_INPUTS: dict[str, Callable[[random.Random], list[Any]]] = {"x": _whole_numbers, "xs": _lists}

FAMILIES: dict[Callable[[random.Random], Completion], int] = {
    _chain: 24,
    _list_sum: 10,
    _folded_chain: 12,
    _missing_constant: 14,
    _line: 28,
    _parabola: 12,
}
"""How often each family is asked, in percent."""
