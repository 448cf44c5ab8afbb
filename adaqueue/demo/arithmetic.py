"""The demo's arithmetic: questions in plain words, of graded difficulty.

A small model answers easy sums surely, two-digit products sometimes and three-digit products almost never.
That spread is what makes an adaptive budget worth having.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from adaqueue.demo.split import Split, split_of

Shape = tuple[int, int]

OPERATIONS = {"+": "plus", "-": "minus", "*": "times", "%": "modulo"}
"""Each operation's sign, as the prompt writes it, and its word, as query ids write it."""

OPERATION_WEIGHTS = {"+": 16, "-": 16, "*": 36, "%": 32}
"""How often each operation is asked, in percent."""

_SUM_SHAPES: tuple[Shape, ...] = tuple((left, right) for left in range(1, 6) for right in range(1, 6))
_PRODUCT_SHAPES: tuple[Shape, ...] = ((1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (4, 1), (3, 2), (2, 3))
_REMAINDER_SHAPES: tuple[Shape, ...] = ((2, 1), (5, 1), (2, 2), (3, 2), (4, 2), (5, 3))
SHAPES: dict[str, tuple[Shape, ...]] = {
    "+": _SUM_SHAPES,
    "-": _SUM_SHAPES,
    "*": (*_PRODUCT_SHAPES, *[(2, 2)] * 4, *[(3, 3)] * 2),
    "%": (*_REMAINDER_SHAPES, *[(3, 1)] * 2, *[(4, 1)] * 2),
}
"""Digits of the left and the right operand, per operation; each shape is as likely as its neighbours."""


@dataclass(frozen=True)
class Calculation:
    """One question about two whole numbers.

    Attributes:
        left: First operand, 0 to 99999.
        operation: `+`, `-`, `*` or `%`.
        right: Second operand, 0 to 99999; at least 1 after `%`.
    """

    left: int
    operation: str
    right: int

    def __post_init__(self) -> None:
        """Refuse what has no answer.

        Raises:
            ValueError: The operation is unknown, or it is a remainder by zero.
        """
        if self.operation not in OPERATIONS:
            raise ValueError(f"unknown operation {self.operation!r}; known: {' '.join(OPERATIONS)}")
        if self.operation == "%" and self.right == 0:
            raise ValueError("a remainder by zero has no answer")

    @property
    def prompt(self) -> str:
        """The question in plain words, for example `What is 37 * 12?`."""
        return f"What is {self.left} {self.operation} {self.right}?"

    @property
    def response(self) -> str:
        """What the model is to say: the exact answer as an integer, for example `444` or `-7`."""
        return str(_answer(self.left, self.operation, self.right))

    @property
    def reference(self) -> str:
        """What a response is verified against: the exact answer, too."""
        return self.response

    @property
    def id(self) -> str:
        """A name that no other problem has, for example `math-37-times-12`."""
        return f"math-{self.left}-{OPERATIONS[self.operation]}-{self.right}"

    @property
    def split(self) -> Split:
        """The one split to which the problem belongs; `a + b` and `b + a` are in the same one."""
        left, right = self.left, self.right
        if self.operation in "+*":
            left, right = sorted((left, right))
        return split_of(f"{left}{self.operation}{right}")


def draw_calculation(random_source: random.Random) -> Calculation:
    """Any problem of any split, operations and shapes as likely as the tables above say."""
    operation = random_source.choices(list(OPERATION_WEIGHTS), list(OPERATION_WEIGHTS.values()))[0]
    left_digits, right_digits = random_source.choice(SHAPES[operation])
    left = _number(random_source, left_digits, smallest=0)
    return Calculation(left, operation, _number(random_source, right_digits, smallest=int(operation == "%")))


def _number(random_source: random.Random, digits: int, smallest: int) -> int:
    return random_source.randrange(smallest if digits == 1 else 10 ** (digits - 1), 10**digits)


def _answer(left: int, operation: str, right: int) -> int:
    if operation == "+":
        return left + right
    if operation == "-":
        return left - right
    if operation == "*":
        return left * right
    return left % right
