"""What a model is told of a task whose data set says no more than the question."""

from __future__ import annotations

import re

from adaqueue.errors import SettingsError

USUAL_IMPORTS = """import bisect
import collections
import functools
import heapq
import itertools
import math
import random
import re
import string
import sys
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import ceil, comb, cos, fabs, floor, gcd, inf, isqrt, log, log2, pi, sin, sqrt, tan
from typing import *
"""
"""What judges of such tasks import before a solution, which therefore seldom does so itself."""

MATH = "{question}\n\nReason step by step, and put the final answer into \\boxed{}.\n"
STDIN = (
    "{question}\n\nWrite a Python program that reads from standard input and writes to standard "
    "output. Give the whole program in one fenced code block.\n"
)
FUNCTION = (
    "{question}\n\n{starter}Write the Python function `{entry}`. Give all of the code, with every "
    "import that it needs, in one fenced code block.\n"
)

_PLACE = re.compile(r"\{(question|starter|entry|tests)\}")


def check_template(template: str) -> None:
    """Refuses a template that has no place for the question; raises SettingsError."""
    if "{question}" not in template:
        raise SettingsError(f"template: {template[:80]!r}: write {{question}} where the question goes")


def filled(template: str, **pieces: str) -> str:
    """Returns a template with its pieces in place; other braces, as those of LaTeX, stay as they are.

    Args:
        template: has `{question}`, and perhaps `{starter}`, `{entry}`, `{tests}`.
        pieces: what goes there; a place without a piece is left empty.
    """
    return _PLACE.sub(lambda place: pieces.get(place[1], ""), template)


def stdin_prompt(question: str, template: str | None) -> str:
    """Returns the prompt of a task that a program solves; None: in the set's own template."""
    return filled(template or STDIN, question=question.strip())


def function_prompt(question: str, starter: str, name: str, template: str | None) -> str:
    """Returns the prompt of a task that a function, or a method of a class `Solution`, solves."""
    begin = f"Start from this code:\n\n{starter.strip()}\n\n" if starter.strip() else ""
    return filled(template or FUNCTION, question=question.strip(), starter=begin, entry=name)


def with_usual_imports(solution: str) -> str:
    """Returns a solution that relies on its judge's imports as a whole program."""
    return solution if "from __future__" in solution else f"{USUAL_IMPORTS}\n{solution}"
