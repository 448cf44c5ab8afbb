"""The demo's arithmetic: questions in plain words, of graded difficulty, in three splits without overlap.

A small model answers easy sums surely, two-digit products sometimes and three-digit products almost never.
That spread is what makes an adaptive budget worth having; the mix below is the same in all splits.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "outcomes", "demo"]
Shape = tuple[int, int]

OPERATIONS = {"+": "plus", "-": "minus", "*": "times", "%": "modulo"}
"""Each operation's sign, as the prompt writes it, and its word, as query ids write it."""

OPERATION_WEIGHTS = {"+": 20, "-": 20, "*": 36, "%": 24}
"""How often each operation is asked, in percent."""

_SUM_SHAPES: tuple[Shape, ...] = tuple((left, right) for left in range(1, 6) for right in range(1, 6))
SHAPES: dict[str, tuple[Shape, ...]] = {
    "+": _SUM_SHAPES,
    "-": _SUM_SHAPES,
    "*": ((1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (4, 1), (2, 2), (2, 2), (2, 2), (3, 2), (2, 3), (3, 3)),
    "%": ((2, 1), (3, 1), (4, 1), (5, 1), (2, 2), (3, 2), (4, 2), (5, 3)),
}
"""Digits of the left and the right operand, per operation; each shape is as likely as its neighbours."""

_SPLIT_BOUNDS: dict[Split, range] = {"train": range(90), "outcomes": range(90, 95), "demo": range(95, 100)}


@dataclass(frozen=True)
class Problem:
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
    def reference(self) -> str:
        """The exact answer as an integer, for example `444` or `-7`."""
        return str(_answer(self.left, self.operation, self.right))

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
        digest = hashlib.blake2b(f"{left}{self.operation}{right}".encode(), digest_size=8).digest()
        bucket = int.from_bytes(digest, "big") % 100
        return next(split for split, bounds in _SPLIT_BOUNDS.items() if bucket in bounds)


def problems(split: Split, seed: int) -> Iterator[Problem]:
    """An endless stream of one split's problems, the same for the same seed; small problems recur."""
    random_source = random.Random(f"{split}/{seed}")  # noqa: S311 - a game of chance, no secret
    while True:
        problem = _draw(random_source)
        if problem.split == split:
            yield problem


def distinct_problems(split: Split, count: int, seed: int) -> list[Problem]:
    """The first `count` different problems of `problems(split, seed)`, in its order.

    Raises:
        ValueError: The count is negative.
    """
    if count < 0:
        raise ValueError(f"count must be at least 0, not {count}")
    found: dict[Problem, None] = {}
    stream = problems(split, seed)
    while len(found) < count:
        found[next(stream)] = None
    return list(found)


def _draw(random_source: random.Random) -> Problem:
    operation = random_source.choices(list(OPERATION_WEIGHTS), list(OPERATION_WEIGHTS.values()))[0]
    left_digits, right_digits = random_source.choice(SHAPES[operation])
    left = _number(random_source, left_digits, smallest=0)
    return Problem(left, operation, _number(random_source, right_digits, smallest=int(operation == "%")))


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
