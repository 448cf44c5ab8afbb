"""The way of the TACO data set's own script, for figures that are to equal published ones.

It is laxer than ours and also stricter, both without intent: it takes `12` for `1 2` and refuses `3.0` for
`3`. Rebuilt from what `compare_std_results` and `execute_cb_code` of `metrics/testing_util.py` in
github.com/FlagOpen/TACO do with the text of one output and with one result.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

_DIGITS = 3
_IMPORTS = """\
import collections, fractions, heapq, itertools, math, random, sys, time
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from functools import lru_cache
from heapq import *
from itertools import accumulate, combinations, permutations, product
from math import ceil, cos, exp, fabs, floor, gcd, log, log2, sin, sqrt, tan
from typing import List, Tuple
"""
_NUMPY = "import numpy as np\n"
_STREAMS = "stdin = sys.stdin\nstdout = sys.stdout\n"


def program(source: str, style: str) -> str:
    """Returns a program as that script runs it: with usual imports before its first line without one.

    What the script does besides, where a program has failed by it, is left out: running the program once more
    as the body of a function, and letting it read and write `input.txt` and `output.txt`.
    """
    # numpy makes runs dearer: where its name is not used, nobody can tell whether it is there
    imports = _IMPORTS + (_NUMPY if re.search(r"\bnp\b", source) else "")
    if style != "stdin":
        return imports + source
    lines = source.split("\n")
    first = next((n for n, line in enumerate(lines) if not _imports(line)), len(lines))
    return "\n".join([*lines[:first], imports + _STREAMS + "\n".join(lines[first:])])


def _imports(line: str) -> bool:
    return line.startswith(("from ", "import ")) or "import *" in line


def same_output(expected: str, output: bytes) -> bool:
    """Whether that script takes an output for the expected one.

    It does so where both are equal but for white space at their ends. It was written for lists of lines and
    is given one text, whose characters it then takes for lines and whose words for sets of characters; so it
    also accepts: an output of digits alone, each close to the number on the expected line of its place; and
    one whose words, as sets of characters, are the expected lines, as sets of words.
    """
    try:
        given = output.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return False
    if given.strip() == expected.strip():
        return True
    lines = [line.strip() for line in expected.split("\n") if line]
    return _close_numbers(given, lines) or _same_sets(given.split(), [line.split() for line in lines])


def _close_numbers(given: Iterable[str], expected: Iterable[str]) -> bool:
    try:
        ours, wanted = [float(text) for text in given], [float(text) for text in expected]
    except ValueError:
        return False
    return len(ours) == len(wanted) and all(map(_close, ours, wanted))


def _close(given: float, expected: float) -> bool:
    """As numpy.allclose."""
    return math.isfinite(expected) and abs(given - expected) <= 1e-8 + 1e-5 * abs(expected)


def _same_sets(given: Iterable[Iterable[str]], expected: Iterable[Iterable[str]]) -> bool:
    if {frozenset(part) for part in given} == {frozenset(part) for part in expected}:
        return True
    try:
        return _rounded(given) == _rounded(expected)
    except ValueError:
        return False


def _rounded(parts: Iterable[Iterable[str]]) -> set[frozenset[float]]:
    return {frozenset(round(float(text), _DIGITS) for text in part) for part in parts}


def same_value(expected: Any, given: Any) -> bool:
    """Whether that script takes a result for the expected one: by `==`, or equal to its first item alone."""
    expected = _with_whole_keys(expected)
    given = list(given) if isinstance(given, tuple) else given
    first = expected[0] if isinstance(expected, list) and expected else _Nothing
    if given in (expected, first):
        return True
    if not (isinstance(given, list) and given and isinstance(given[0], tuple)):
        return False
    try:
        return bool([list(part) for part in given] == first)
    except TypeError:
        return False


def arguments(args: list[Any]) -> list[Any]:
    """Returns what that script calls a function with: a dict as first argument has whole keys again."""
    if not args or not isinstance(args[0], dict):
        return args
    try:
        return [{int(key): value for key, value in args[0].items()}]
    except ValueError:
        return args


class _Nothing:
    """Equals nothing."""


def _with_whole_keys(expected: Any) -> Any:
    """JSON turned whole keys of a dict into text; the script turns them back where all are whole numbers."""
    holder = [expected] if isinstance(expected, dict) else expected
    if not (isinstance(holder, list) and holder and isinstance(holder[0], dict)):
        return expected
    try:
        return [{int(key): value for key, value in holder[0].items()}]
    except ValueError:
        return expected
