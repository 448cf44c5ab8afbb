"""The demo model's recorded outcomes, on which a first probe of each domain is trained."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from adaqueue.demo import MODEL_NAME
from adaqueue.demo.problems import Domain, Problem, distinct_problems

FILE_NAME = "outcomes.jsonl.gz"

Draw = Callable[[Sequence[str], int], list[list[str]]]
"""Draws so many responses to each prompt; one list per prompt, in the prompts' order."""

Judge = Callable[[Sequence[tuple[Problem, str]]], list[bool]]
"""Whether each response solves its problem, in the given order."""


def recorded_outcomes(domain: Domain = "math") -> list[dict[str, Any]]:
    """What the shipped model made of queries that are neither training nor demo queries.

    Returns:
        One object per query: `id`, `domain`, `prompt`, `model` and `rewards`, 1 for each right and 0 for each
        wrong response in the order of drawing, at the temperature that `adaqueue.demo` states.
    """
    packed = (resources.files("adaqueue.demo") / FILE_NAME).read_bytes()
    outcomes = [json.loads(line) for line in gzip.decompress(packed).decode().splitlines()]
    return [outcome for outcome in outcomes if outcome["domain"] == domain]


def record(
    draw: Draw, judge: Judge, domain: Domain, queries: int, samples: int, seed: int = 0
) -> list[dict[str, Any]]:
    """Draw and judge responses to the first queries of a domain's `outcomes` split.

    Args:
        draw: What draws the responses.
        judge: What tells right from wrong; it is asked once about equal responses to one problem.
        domain: Which kind of queries.
        queries: How many queries, without repeats.
        samples: How many responses each.
        seed: Which queries.

    Returns:
        The objects that `recorded_outcomes` describes.
    """
    problems = distinct_problems(domain, "outcomes", queries, seed)
    drawn = list(zip(problems, draw([problem.prompt for problem in problems], samples), strict=True))
    pairs = [(problem, text) for problem, texts in drawn for text in dict.fromkeys(texts)]
    right = {(problem.id, text) for (problem, text), said in zip(pairs, judge(pairs), strict=True) if said}
    rewards = [[int((problem.id, text) in right) for text in texts] for problem, texts in drawn]
    return [
        {"id": problem.id, "domain": domain, "prompt": problem.prompt, "model": MODEL_NAME, "rewards": given}
        for problem, given in zip(problems, rewards, strict=True)
    ]


def write(outcomes: Iterable[dict[str, Any]], output: Path) -> None:
    """Write one JSON object per line, compressed; the same outcomes give the same bytes."""
    lines = "".join(json.dumps(outcome, separators=(",", ":")) + "\n" for outcome in outcomes)
    output.write_bytes(gzip.compress(lines.encode(), compresslevel=9, mtime=0))


def spread(outcomes: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Shares of the queries that the model almost never, sometimes and almost always answers rightly.

    Returns:
        `below` (success share under 0.1), `between` and `above` (over 0.9); they add up to 1.
    """
    shares = [sum(outcome["rewards"]) / len(outcome["rewards"]) for outcome in outcomes]
    below = sum(share < 0.1 for share in shares) / len(shares)
    above = sum(share > 0.9 for share in shares) / len(shares)
    return {"below": below, "between": 1 - below - above, "above": above}
