"""Recorded outcomes as they are evaluated: read row by row, then put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from adaqueue.core.marginal import IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.plain import check_finite, check_text
from adaqueue.core.query import Query
from adaqueue.core.recording import Recording, counts
from adaqueue.errors import BadOutcomesError, BadQueryError

PAIR_FIELDS = ("weak", "strong", "cost")
MOST_TAG = 100
"""Characters of a piece of metadata that serves as a feature: a tag, not a text."""

SIDE_FIELDS = ("model", "n", "successes", "rewards", "tokens", "samples")
OUTCOME_FIELDS = frozenset({"n", "successes", "rewards", "tokens", "samples"})
COSTS = {"weak": 1.0, "strong": 10.0}
"""Of a call of each decoder, where a row names none."""

NearDuplicates = Callable[[Sequence[str]], IntArray]
"""Prompts -> a number for each, the same for those of nearly the same words."""


@dataclass(frozen=True, slots=True)
class Stronger:
    """What was recorded of a second decoder, to which a query may be sent instead.

    Attributes:
        rewards: of its samples, at least one.
        cost: of a call, above 0.
        weak_cost: of a call of the first decoder, in the same unit.
    """

    rewards: tuple[float, ...]
    cost: float
    weak_cost: float


@dataclass(frozen=True, slots=True)
class RecordedQuery:
    """A query and what was recorded of it.

    Attributes:
        query: its prompt and metadata.
        rewards: in sampling order, at least one; of two decoders the weak one's.
        tokens: generated tokens of a sample, mean; NaN where unknown.
        group: rows of one group stay on one side of every split; None: near duplicates do.
        strong: the other decoder, where the query may go to either.
    """

    query: Query
    rewards: tuple[float, ...]
    tokens: float
    group: str | None
    strong: Stronger | None = None

    @classmethod
    def from_row(cls, row: object, line: int) -> RecordedQuery:
        """Returns the query of one JSON object; of any domain, as nothing is verified.

        Args:
            row: as the file has it. Counts that come with samples are taken for their rewards.
            line: stands for an id where there is none.

        Raises:
            BadQueryError: the row is malformed, or not every sample has a reward.
        """
        if not isinstance(row, dict):
            raise BadQueryError("row", row, 'give a JSON object such as {"prompt": "...", "rewards": [0, 1]}')
        _check_domain(row.get("domain"))
        _check_stopped(row.get("stopped"))
        two = any(name in row for name in PAIR_FIELDS)
        counted = not two and set(row) & OUTCOME_FIELDS == {"n", "successes"}
        dropped = (*_dropped(row, two), *(("n", "successes") if counted else ()))
        given = {name: value for name, value in row.items() if name not in dropped}
        query = Query.from_row({"id": f"line-{line}", **given, "domain": "chat"})
        if two:
            return _of_two(query, row)
        rewards, tokens = _of_counts(row) if counted else _rewards(query.recording, "")
        return cls(query, rewards, tokens, _group(row))


def _check_domain(domain: object) -> None:
    if domain is None:
        raise BadQueryError("domain", None, "the field is required")
    check_text("domain", domain)


def _check_stopped(stopped: object) -> None:
    """Refuses a query whose samples ended at a success: they cannot be replayed under another policy."""
    if stopped is not None and not isinstance(stopped, bool):
        raise BadQueryError("stopped", stopped, "give true or false")
    if stopped:
        remedy = (
            "its number of samples depended on their rewards: draw with policy uniform, or by exploration"
        )
        raise BadQueryError("stopped", True, remedy)


def _dropped(row: Mapping[str, Any], two: bool) -> tuple[str, ...]:
    """References verify; where there are counts, texts have been counted."""
    samples = ("samples",) if row.get("successes") is not None else ()
    return ("reference", *samples, *(PAIR_FIELDS if two else ()))


def _rewards(recording: Recording | None, whose: str) -> tuple[tuple[float, ...], float]:
    """Returns the rewards of all samples, and the mean of their tokens."""
    if recording is None or not recording.all_rewarded:
        remedy = "give rewards, n and successes, or samples each with its reward"
        raise BadQueryError(f"{whose}rewards", None, remedy)
    rewards = tuple(float(sample.reward) for sample in recording.samples if sample.reward is not None)
    counted = [sample.tokens for sample in recording.samples if sample.tokens is not None]
    return rewards, float(np.mean(counted)) if counted else float("nan")


def _of_counts(row: Mapping[str, Any]) -> tuple[tuple[float, ...], float]:
    """Returns rewards in no order, as every order of them is as likely, and no tokens."""
    samples, successes = counts(row)
    return (1.0,) * successes + (0.0,) * (samples - successes), float("nan")


def _of_two(query: Query, row: Mapping[str, Any]) -> RecordedQuery:
    if query.recording is not None:
        raise BadQueryError("weak", row.get("weak"), "contradicts samples outside it: give them in weak")
    (weak, tokens), (strong, _) = (_side(name, row.get(name), query) for name in ("weak", "strong"))
    costs = _costs(row.get("cost"))
    return RecordedQuery(query, weak, tokens, _group(row), Stronger(strong, costs["strong"], costs["weak"]))


def _side(name: str, given: object, query: Query) -> tuple[tuple[float, ...], float]:
    """Returns the rewards of one decoder, and the mean of its samples' tokens."""
    if not isinstance(given, Mapping) or not set(given) <= set(SIDE_FIELDS):
        raise BadQueryError(name, given, f"give an object with some of {', '.join(SIDE_FIELDS)}")
    kept = {field: value for field, value in given.items() if field not in _dropped(given, False)}
    try:
        recording = Recording.from_row({**kept, "id": query.id, "prompt": query.prompt})
    except BadQueryError as error:
        raise BadQueryError(f"{name}.{error.field}", error.value, error.remedy) from error
    return _rewards(recording, f"{name}.")


def _costs(given: object) -> dict[str, float]:
    if given is None:
        return COSTS
    if not isinstance(given, Mapping) or set(given) != set(COSTS):
        raise BadQueryError("cost", given, 'give both, as in {"weak": 1, "strong": 10}')
    for name in COSTS:
        check_finite(f"cost.{name}", given[name])
        if given[name] <= 0:
            raise BadQueryError(f"cost.{name}", given[name], "give a number above 0")
    return {name: float(given[name]) for name in COSTS}


def odd_ones(queries: Mapping[int, RecordedQuery]) -> dict[int, BadQueryError]:
    """Returns why some rows cannot be evaluated with the others, by line: one file, one decoder or two.

    Args:
        queries: by line. What most of them are, or the first where as many are either, the others must be.
    """
    two = [line for line, query in queries.items() if query.strong is not None]
    one = [line for line, query in queries.items() if query.strong is None]
    if len(two) > len(one) or (len(two) == len(one) and min(two, default=0) < min(one, default=1)):
        remedy = "most rows have weak and strong: give this one another file"
        return {line: BadQueryError("weak", None, remedy) for line in one}
    remedy = "most rows have one decoder alone: give this one another file"
    return {line: BadQueryError("weak", "{...}", remedy) for line in two}


def _group(row: Mapping[str, Any]) -> str | None:
    group = row.get("group")
    if group is None:
        return None
    if isinstance(group, bool) or not isinstance(group, str | int):
        raise BadQueryError("group", group, "give text or a whole number")
    return str(group)


def outcomes_of(queries: Sequence[RecordedQuery], near_duplicates: NearDuplicates) -> Outcomes:
    """Returns the queries as outcomes, without states, in groups.

    Queries that name their group are grouped by it. Where some do not, near duplicates are together as well.

    Args:
        queries: at least one.
        near_duplicates: asked where some query names no group.
    """
    n = len(queries)
    messages = tuple(own.query.messages for own in queries)
    rewards = tuple(own.rewards for own in queries)
    tokens = np.array([own.tokens for own in queries])
    ids = tuple(str(own.query.id) for own in queries)
    alone = Outcomes(ids, messages, None, rewards, np.zeros(n, dtype=np.bool_), np.arange(n), tokens)
    named = np.unique([own.group or f"\0{place}" for place, own in enumerate(queries)], return_inverse=True)[
        1
    ]
    all_named = all(own.group is not None for own in queries)
    groups = named if all_named else joined(named, near_duplicates(alone.prompts))
    return Outcomes(ids, messages, None, rewards, alone.stopped, groups, tokens)


def joined(first: IntArray, second: IntArray) -> IntArray:
    """Returns the finest grouping that keeps together what either grouping does, shape (n,)."""
    n = len(first)
    places = np.arange(n)
    links = [n + first, n + int(first.max()) + 1 + second]
    size = n + int(first.max()) + 1 + int(second.max()) + 1
    graph = coo_array((np.ones(2 * n), (np.tile(places, 2), np.concatenate(links))), shape=(size, size))
    found: IntArray = connected_components(graph, directed=False)[1][:n].astype(np.int64)
    return found


def is_binary(outcomes: Outcomes) -> bool:
    """Whether every reward is 0 or 1: a verdict, not a grade."""
    return all(reward in (0, 1) for row in outcomes.rewards for reward in row)


def metadata_rows(queries: Sequence[RecordedQuery], names: Sequence[str]) -> list[list[float | str]]:
    """Returns, for each query, the chosen pieces of its metadata: numbers, or short text; "" where absent.

    Raises:
        BadOutcomesError: no query has one of them, or a value is neither number nor short text.
    """
    for name in names:
        if not any(name in own.query.metadata for own in queries):
            known = sorted({key for own in queries for key in own.query.metadata}) or ["none"]
            raise BadOutcomesError(f"metadata: {name!r}: no query has it; known are {', '.join(known)}")
    return [[_tag(own, name) for name in names] for own in queries]


def _tag(own: RecordedQuery, name: str) -> float | str:
    value = own.query.metadata.get(name)
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str) and len(value) <= MOST_TAG:
        return value
    remedy = f"give a number, or text of at most {MOST_TAG} characters"
    raise BadOutcomesError(f"metadata.{name}: {value!r:.80} of {own.query.id}: {remedy}")
