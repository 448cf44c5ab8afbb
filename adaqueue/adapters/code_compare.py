"""Whether what a program gave is what was expected; run outside of the program's process."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Literal

from adaqueue.adapters import taco_compare

Comparison = Literal["strict", "taco"]
COMPARISONS: tuple[Comparison, ...] = ("strict", "taco")
RELATIVE_TOLERANCE = 1e-6

_FLOAT = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?", re.ASCII)
# what a program gives is matched in one way alone: two would take hours to fail on a million digits
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def outputs_comparer(comparison: Comparison) -> Callable[[str, bytes], bool]:
    """Returns what tells whether an output is the expected one."""
    return same_output if comparison == "strict" else taco_compare.same_output


def values_comparer(comparison: Comparison) -> Callable[[Any, Any], bool]:
    """Returns what tells whether a result is the expected one."""
    return same_value if comparison == "strict" else taco_compare.same_value


def same_output(expected: str, output: bytes) -> bool:
    """Whether the output has the expected tokens: exactly, but with a tolerance where a float is expected."""
    wanted, given = expected.split(), output.decode("utf-8", "replace").split()
    return len(wanted) == len(given) and all(map(_same_token, wanted, given))


def _same_token(expected: str, given: str) -> bool:
    if expected == given:
        return True
    if not (_FLOAT.fullmatch(expected) and _NUMBER.fullmatch(given)):
        return False
    return _close(float(expected), float(given))


def same_value(expected: Any, given: Any) -> bool:
    """Whether a result is the expected JSON value, by exact type and value.

    A tuple is as good as a list, since JSON has no tuples. Where a float is expected, a whole number of the
    same value will do, and floats have a tolerance; a float is no whole number, and a bool no number at all.
    """
    if isinstance(expected, list):
        return (
            isinstance(given, list | tuple)
            and len(expected) == len(given)
            and all(map(same_value, expected, given))
        )
    if isinstance(expected, dict):
        return (
            isinstance(given, dict)
            and expected.keys() == given.keys()
            and all(same_value(value, given[key]) for key, value in expected.items())
        )
    if type(expected) is float:
        return type(given) in (float, int) and _close(expected, given)
    return type(expected) is type(given) and expected == given


def _close(expected: float, given: float) -> bool:
    try:
        apart = RELATIVE_TOLERANCE * abs(expected) if math.isfinite(expected) else 0.0
        return given == expected or abs(given - expected) <= apart
    except OverflowError:  # a whole number beyond every float
        return False
