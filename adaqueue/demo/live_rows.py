"""The demo's live samples as rows of recorded outcomes: of math, code, chat and of two decoders.

The same arithmetic samples serve three times. As math they are right or wrong. As chat they have a graded
reward, `nearness`. As two decoders, the weak one is a single sample and the strong one is the best of eight
verified ones, which costs eight; the two never share a draw.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adaqueue.core.recording import RecordedSample
from adaqueue.demo import MODEL_NAME

STRONG_DRAWS = 8
"""Of the small model for one sample of the strong decoder; as many single draws are the weak decoder's."""

Drawn = Mapping[str, Sequence[RecordedSample]]
"""Samples of each query by its id, in order of drawing, each with its text and its verdict's reward."""

NUMBER = re.compile(r"-?\d+")


def nearness(response: str, reference: str) -> float:
    """Returns how near a response's last whole number is to the exact answer, [0, 1].

    `1 - |given - exact| / (|given| + |exact|)`: 1 for the exact answer and for it alone, 0 for a number of
    the other sign, and 0 without any number.
    """
    numbers = NUMBER.findall(response)
    if not numbers:
        return 0.0
    given, exact = int(numbers[-1]), int(reference)
    return 1.0 if given == exact else 1.0 - abs(given - exact) / (abs(given) + abs(exact))


def verified_rows(queries: Iterable[Mapping[str, Any]], drawn: Drawn) -> list[dict[str, Any]]:
    """Returns the queries with their samples and verdicts, reference and all."""
    return [
        {**query, "model": MODEL_NAME, "samples": [_sample(sample, sample.reward) for sample in samples]}
        for query, samples in _answered(queries, drawn)
    ]


def graded_rows(queries: Iterable[Mapping[str, Any]], drawn: Drawn) -> list[dict[str, Any]]:
    """Returns arithmetic queries as chat: every sample with its nearness, and no reference."""
    return [
        {
            "id": query["id"],
            "domain": "chat",
            "prompt": query["prompt"],
            "model": MODEL_NAME,
            "samples": [_sample(one, nearness(one.text or "", query["reference"])) for one in samples],
        }
        for query, samples in _answered(queries, drawn)
    ]


def paired_rows(queries: Iterable[Mapping[str, Any]], drawn: Drawn) -> list[dict[str, Any]]:
    """Returns queries with the rewards of two decoders, from draws that they do not share."""
    return [
        {
            "id": query["id"],
            "domain": query["domain"],
            "prompt": query["prompt"],
            "model": MODEL_NAME,
            **_pair([float(sample.reward or 0.0) for sample in samples]),
            "cost": {"weak": 1, "strong": STRONG_DRAWS},
        }
        for query, samples in _answered(queries, drawn)
    ]


def _answered(
    queries: Iterable[Mapping[str, Any]], drawn: Drawn
) -> list[tuple[Mapping[str, Any], Sequence[RecordedSample]]]:
    """The queries of which every draw has a verdict: fewer would end the replay of all the others."""
    most = max(map(len, drawn.values()), default=1)
    return [(query, drawn[query["id"]]) for query in queries if len(drawn.get(query["id"], ())) == most]


def _sample(sample: RecordedSample, reward: float | None) -> dict[str, Any]:
    return {"text": sample.text, "reward": reward, "tokens": sample.tokens}


def _pair(rewards: Sequence[float]) -> dict[str, Any]:
    rest = rewards[STRONG_DRAWS:]
    whole = len(rest) - len(rest) % STRONG_DRAWS
    strong = [max(rest[start : start + STRONG_DRAWS]) for start in range(0, whole, STRONG_DRAWS)]
    return {"weak": {"rewards": list(rewards[:STRONG_DRAWS])}, "strong": {"rewards": strong}}
