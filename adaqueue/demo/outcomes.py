"""The demo model's recorded outcomes, on which a first probe is trained, and the script that records them.

`python -m adaqueue.demo.outcomes --output FILE [--queries N] [--samples K] [--seed S]`
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from adaqueue.demo import MODEL_NAME
from adaqueue.demo.grammar import distinct_problems
from adaqueue.demo.queries import model_path, query_of

FILE_NAME = "outcomes.jsonl.gz"

Draw = Callable[[Sequence[str], int], list[list[str]]]
"""Draws so many responses to each prompt; one list per prompt, in the prompts' order."""

logger = logging.getLogger(__name__)


def recorded_outcomes() -> list[dict[str, Any]]:
    """What the shipped model made of queries that are neither training nor demo queries.

    Returns:
        One object per query: `id`, `domain`, `prompt`, `reference`, `model` and `rewards`, 1 for each right
        and 0 for each wrong response in the order of drawing, at the temperature that `adaqueue.demo` states.
    """
    packed = (resources.files("adaqueue.demo") / FILE_NAME).read_bytes()
    return [json.loads(line) for line in gzip.decompress(packed).decode().splitlines()]


def is_correct(response: str, reference: str) -> bool:
    """Whether the response, stripped of white space, is the reference's integer."""
    try:
        return int(response.strip()) == int(reference)
    except ValueError:
        return False


def record(draw: Draw, queries: int, samples: int, seed: int) -> list[dict[str, Any]]:
    """Draw and judge responses to the first queries of the `outcomes` split.

    Args:
        draw: What draws the responses.
        queries: How many queries, without repeats.
        samples: How many responses each.
        seed: Which queries.

    Returns:
        The objects that `recorded_outcomes` describes.
    """
    chosen = [query_of(problem) for problem in distinct_problems("outcomes", queries, seed)]
    drawn = draw([query["prompt"] for query in chosen], samples)
    return [_outcome(query, texts) for query, texts in zip(chosen, drawn, strict=True)]


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Record as the command line says."""
    parser = argparse.ArgumentParser(description="Record the demo model's outcomes for a first probe.")
    parser.add_argument("--output", type=Path, required=True, help="file to write, .jsonl.gz")
    parser.add_argument("--model", type=Path, default=model_path(), help="model folder (default: shipped)")
    parser.add_argument("--queries", type=int, default=3000, help="queries, no repeats (default 3000)")
    parser.add_argument("--samples", type=int, default=32, help="responses per query (default 32)")
    parser.add_argument("--seed", type=int, default=0, help="seed of queries and draws (default 0)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    draw = _sampler(chosen.model, chosen.seed, chosen.threads)
    outcomes = record(draw, chosen.queries, chosen.samples, chosen.seed)
    write(outcomes, chosen.output)
    logger.info("%d queries written to %s, spread %s", len(outcomes), chosen.output, spread(outcomes))


def _sampler(folder: Path, seed: int, threads: int) -> Draw:
    # only recording needs torch: whoever reads the recorded file does without it
    import torch

    from adaqueue.demo.sampling import DemoSampler

    torch.set_num_threads(threads)  # more threads than idle cores make drawing many times slower
    return DemoSampler(folder, seed).draw


def _outcome(query: dict[str, str], responses: Iterable[str]) -> dict[str, Any]:
    rewards = [int(is_correct(response, query["reference"])) for response in responses]
    return {**query, "model": MODEL_NAME, "rewards": rewards}


if __name__ == "__main__":
    main()
