"""What a model is told of a task whose data set says no more than the question."""

from __future__ import annotations

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


def stdin_prompt(question: str) -> str:
    """Returns the prompt of a task that a program solves."""
    return (
        f"{question.strip()}\n\nWrite a Python program that reads from standard input and writes to standard "
        "output. Give the whole program in one fenced code block.\n"
    )


def function_prompt(question: str, starter: str, name: str) -> str:
    """Returns the prompt of a task that a function, or a method of a class `Solution`, solves."""
    begin = f"Start from this code:\n\n{starter.strip()}\n\n" if starter.strip() else ""
    return (
        f"{question.strip()}\n\n{begin}Write the Python function `{name}`. Give all of the code, with every "
        "import that it needs, in one fenced code block.\n"
    )


def with_usual_imports(solution: str) -> str:
    """Returns a solution that relies on its judge's imports as a whole program."""
    return solution if "from __future__" in solution else f"{USUAL_IMPORTS}\n{solution}"
