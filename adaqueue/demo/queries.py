"""The demo's queries, and where the shipped model lies."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from adaqueue.demo.problems import Domain, Problem, distinct_problems


def demo_queries(count: int, domain: Domain = "math", seed: int = 0) -> list[dict[str, Any]]:
    """Queries, without repeats, on which neither the model nor a probe was trained.

    Args:
        count: How many queries, at least 0; a longer list begins with the shorter one.
        domain: Which kind of queries.
        seed: Which queries; the same seed gives the same queries.

    Returns:
        One object per query with `id`, `domain`, `prompt` and `reference`: the exact answer of arithmetic,
        the hidden tests of code.

    Raises:
        ValueError: The count is negative.
    """
    return [query_of(problem, domain) for problem in distinct_problems(domain, "demo", count, seed)]


def query_of(problem: Problem, domain: Domain) -> dict[str, Any]:
    """The problem as a query: `id`, `domain`, `prompt`, `reference`."""
    return {
        "id": problem.id,
        "domain": domain,
        "prompt": problem.prompt,
        "reference": problem.reference,
    }


def model_path() -> Path:
    """The folder of the shipped model, which the plain Auto classes of transformers load."""
    return Path(str(resources.files("adaqueue.demo") / "model"))
