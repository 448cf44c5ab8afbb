"""Proves that rows of recorded outcomes are read as they are meant, or refused, and grouped whole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaqueue.core.recorded import (
    RecordedQuery,
    Stronger,
    is_binary,
    joined,
    metadata_rows,
    odd_ones,
    outcomes_of,
)
from adaqueue.errors import BadOutcomesError, BadQueryError


def row(**fields: Any) -> dict[str, Any]:
    return {"domain": "math", "prompt": "1 + 1?", "rewards": [0, 1], **fields}


def read(**fields: Any) -> RecordedQuery:
    return RecordedQuery.from_row(row(**fields), 7)


def test_a_row_of_any_domain_is_read_whatever_would_verify_it() -> None:
    assert read(domain="multiple_choice", reference={"any": "thing"}).rewards == (0, 1)
    assert read(domain="code", rewards=[1]).query.id == "line-7"


def test_counts_samples_and_tokens_are_read() -> None:
    texts = [{"text": "a"}, {"text": "b"}, {"text": "c"}]
    counted = read(rewards=None, n=3, successes=2, samples=texts)
    assert sorted(counted.rewards) == [0, 1, 1]
    graded = read(
        rewards=None, samples=[{"text": "a", "reward": 0.5, "tokens": 10}, {"text": "b", "reward": 2}]
    )
    assert (graded.rewards, graded.tokens) == ((0.5, 2.0), 10.0)
    assert math.isnan(counted.tokens)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"rewards": None}, "rewards"),
        ({"rewards": None, "samples": [{"text": "a"}]}, "rewards"),
        ({"rewards": []}, "recording"),
        ({"rewards": [0, None]}, "samples"),
        ({"prompt": ""}, "prompt"),
        ({"domain": None}, "domain"),
        ({"domain": 3}, "domain"),
        ({"group": [1]}, "group"),
        ({"sucesses": 3}, "sucesses"),
    ],
)
def test_a_bad_row_is_refused_by_its_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(BadQueryError) as refusal:
        read(**fields)
    assert refusal.value.field.startswith(named)


def pair(**fields: Any) -> RecordedQuery:
    return read(**{"rewards": None, "weak": {"rewards": [1]}, "strong": {"rewards": [0, 1]}, **fields})


def test_rows_of_two_decoders_are_read_with_their_costs() -> None:
    found = pair(cost={"weak": 2, "strong": 3}, reference="2", group="a")
    assert (found.rewards, found.group) == ((1.0,), "a")
    assert found.strong == Stronger(rewards=(0.0, 1.0), cost=3.0, weak_cost=2.0)
    counted = pair(weak={"n": 4, "successes": 1, "model": "small"}).rewards
    assert sorted(counted) == [0, 0, 0, 1]
    graded = pair(strong={"samples": [{"text": "a", "reward": 0.5}]}).strong
    assert graded == Stronger(rewards=(0.5,), cost=10.0, weak_cost=1.0)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"strong": None}, "strong"),
        ({"weak": {"reward": [1]}}, "weak"),
        ({"weak": {"rewards": []}}, "weak.recording"),
        ({"weak": {"samples": [{"text": "a"}]}}, "weak.rewards"),
        ({"strong": {"n": 2, "successes": 3}}, "strong.successes"),
        ({"rewards": [1]}, "weak"),
        ({"cost": {"weak": 1}}, "cost"),
        ({"cost": {"weak": 0, "strong": 1}}, "cost.weak"),
        ({"cost": {"weak": 1, "strong": "10"}}, "cost.strong"),
    ],
)
def test_a_bad_row_of_two_decoders_is_refused_by_its_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(BadQueryError) as refusal:
        pair(**fields)
    assert refusal.value.field == named


def test_rows_of_another_kind_than_most_are_refused_by_line() -> None:
    assert list(odd_ones({3: pair(), 4: read(), 7: pair()})) == [4]
    assert list(odd_ones({3: pair(), 4: read(), 7: read()})) == [3]
    assert list(odd_ones({3: pair(), 4: read()})) == [4]
    assert list(odd_ones({3: read(), 4: pair()})) == [4]
    assert odd_ones({}) == odd_ones({1: pair()}) == odd_ones({1: read()}) == {}


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(BadQueryError, match="JSON object"):
        RecordedQuery.from_row([1], 1)


def same_prompt(prompts: Any) -> Any:
    return np.unique(list(prompts), return_inverse=True)[1]


def test_named_groups_are_kept_and_the_unnamed_are_joined_with_near_duplicates() -> None:
    named = [read(group="a"), read(group="b"), read(group="a", prompt="other")]
    assert outcomes_of(named, same_prompt).groups.tolist() == [0, 1, 0]
    some = [*named, read(prompt="other"), read(prompt="alone")]
    groups = outcomes_of(some, same_prompt).groups
    assert len(set(groups[:4].tolist())) == 1
    assert groups[4] not in groups[:4]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_a_joined_grouping_keeps_together_what_either_does_and_no_more(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array(part) for part in zip(*pairs, strict=True))
    reach = (first[:, None] == first) | (second[:, None] == second)
    for _ in pairs:
        reach = reach @ reach
    found = joined(first, second)
    assert ((found[:, None] == found) == reach).all()


def test_zeros_and_ones_are_verdicts_and_anything_else_grades() -> None:
    assert is_binary(outcomes_of([read(), read(rewards=[1.0])], same_prompt))
    assert not is_binary(outcomes_of([read(), read(rewards=[0, 1, 0.5])], same_prompt))


def test_chosen_metadata_is_a_number_or_a_tag() -> None:
    queries = [read(metadata={"level": 3, "subject": "algebra", "long": "x" * 200}), read()]
    assert metadata_rows(queries, ["level", "subject"]) == [[3.0, "algebra"], ["", ""]]
    assert metadata_rows(queries, []) == [[], []]
    with pytest.raises(BadOutcomesError, match="known are level, long, subject"):
        metadata_rows(queries, ["difficulty"])
    with pytest.raises(BadOutcomesError, match="at most 100 characters"):
        metadata_rows(queries, ["long"])
