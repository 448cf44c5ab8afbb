"""Proves that every recorded form is replayed as it was recorded; a contradiction is refused by name."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.recording import MAX_SAMPLES, RecordedSample, Recording
from adaqueue.errors import BadQueryError, NotYetError

MODEST = settings(max_examples=80, deadline=None)
COUNTS = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def read(**row: Any) -> Recording:
    recording = Recording.from_row({"id": "q", "prompt": "p", **row})
    assert recording is not None
    return recording


def rewards(recording: Recording) -> list[float | None]:
    return [sample.reward for sample in recording.samples]


@MODEST
@given(COUNTS, st.text(), st.text())
def test_counts_become_as_many_ones_and_zeros_in_an_order_that_repeats(
    counts: tuple[int, int], query_id: str, prompt: str
) -> None:
    n, successes = counts
    row = {"id": query_id, "prompt": prompt, "n": n, "successes": successes}
    first = read(**row)
    assert sorted(rewards(first), key=bool) == [0.0] * (n - successes) + [1.0] * successes
    random.seed(0)
    assert read(**row) == first


def test_the_order_of_counts_depends_on_id_and_prompt_and_is_the_same_on_every_machine() -> None:
    row = {"n": 12, "successes": 6}
    order = rewards(read(**row))
    assert order == [0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    assert rewards(read(**row, id="other")) != order
    assert rewards(read(**row, prompt="other")) != order


def test_a_lone_surrogate_in_the_id_does_not_stop_the_order() -> None:
    assert len(read(id="\ud800", n=3, successes=1).samples) == 3


def test_over_many_ids_every_place_succeeds_equally_often() -> None:
    totals = [0.0] * 4
    for number in range(1_000):
        for place, reward in enumerate(rewards(read(id=str(number), n=4, successes=1))):
            totals[place] += reward or 0.0
    assert min(totals) > 200
    assert sum(totals) == 1_000


@MODEST
@given(st.lists(st.integers(-3, 3) | st.floats(-5, 5), min_size=1, max_size=20))
def test_rewards_are_kept_in_the_order_of_sampling(given_rewards: list[float]) -> None:
    recording = read(rewards=given_rewards, tokens=list(range(len(given_rewards))), model="m")
    assert rewards(recording) == given_rewards
    assert [sample.tokens for sample in recording.samples] == list(range(len(given_rewards)))
    assert recording.model == "m"
    assert recording.all_rewarded


def test_samples_are_kept_with_text_reward_and_tokens() -> None:
    recording = read(samples=[{"text": "444", "reward": 1, "tokens": 4}, {"text": "45"}])
    assert recording.samples == (RecordedSample("444", 1, 4), RecordedSample("45", None, None))
    assert not recording.all_rewarded


def test_a_row_without_outcomes_has_no_recording() -> None:
    row = {"id": "q", "prompt": "p", "n": None, "rewards": None, "model": "m", "group": "g"}
    assert Recording.from_row(row) is None


@MODEST
@given(COUNTS)
def test_a_recording_survives_the_wire(counts: tuple[int, int]) -> None:
    recording = read(n=counts[0], successes=counts[1], model="m")
    assert Recording.from_json(json.loads(json.dumps(recording.to_json()))) == recording


@pytest.mark.parametrize(
    ("row", "field", "value", "remedy"),
    [
        ({"n": 3, "successes": 1, "rewards": [1]}, "rewards", "[1]", "contradicts n: give one of them"),
        ({"rewards": [1], "samples": []}, "samples", "[]", "contradicts rewards: give one of them"),
        ({"successes": 3}, "successes", "3", "says nothing without n: give both or neither"),
        ({"successes": 1, "rewards": [1]}, "successes", "1", "says nothing without n"),
        ({"tokens": [3]}, "tokens", "[3]", "says nothing without rewards: give both or neither"),
        ({"tokens": [3], "samples": [{"text": "a"}]}, "tokens", "[3]", "says nothing without rewards"),
        ({"n": 3}, "successes", "None", "give a whole number from 0 to 3"),
        ({"n": 3, "successes": 4}, "successes", "4", "give a whole number from 0 to 3"),
        ({"n": 3, "successes": -1}, "successes", "-1", "give a whole number from 0 to 3"),
        ({"n": 3, "successes": True}, "successes", "True", "give a whole number from 0 to 3"),
        ({"n": True, "successes": 1}, "n", "True", "give a whole number from 1 to 1,024"),
        ({"n": 0, "successes": 0}, "n", "0", "give a whole number from 1 to 1,024"),
        ({"n": 1_025, "successes": 0}, "n", "1025", "give a whole number from 1 to 1,024"),
        ({"n": 10.0, "successes": 0}, "n", "10.0", "give a whole number"),
        ({"rewards": []}, "recording", "0", "give 1 to 1,024 recorded samples"),
        ({"rewards": [0] * 1_025}, "recording", "1025", "give 1 to 1,024 recorded samples"),
        ({"rewards": "1"}, "rewards", "'1'", "give a list"),
        ({"rewards": [1, float("nan")]}, "rewards[1]", "nan", "give a finite number"),
        ({"rewards": [float("inf")]}, "rewards[0]", "inf", "give a finite number"),
        ({"rewards": [10**400]}, "rewards[0]", "1000", "give a finite number"),
        ({"rewards": [True]}, "rewards[0]", "True", "give a finite number"),
        ({"rewards": ["1"]}, "rewards[0]", "'1'", "give a finite number"),
        ({"rewards": [None]}, "samples[0]", "None", "has neither text nor reward: give one"),
        ({"rewards": [1, 0], "tokens": [5]}, "tokens", "1", "give one for each of the 2 rewards"),
        ({"rewards": [1, 0], "tokens": []}, "tokens", "0", "give one for each of the 2 rewards"),
        ({"rewards": [1], "tokens": 0}, "tokens", "0", "give a list"),
        ({"rewards": [1], "tokens": [True]}, "tokens[0]", "True", "give a whole number"),
        ({"rewards": [1], "tokens": [-1]}, "tokens[0]", "-1", "give a whole number from 0 to"),
        ({"rewards": [1], "model": 7}, "model", "7", "give text, in quotes"),
        ({"rewards": [1], "model": "a\x00"}, "model", r"'a\x00'", "contains a NUL character"),
        ({"samples": ["a"]}, "samples[0]", "'a'", "give {text, reward (optional), tokens (optional)}"),
        ({"samples": [{"text": "a", "score": 1}]}, "samples[0]", "{'text'", "give {text, reward (optional)"),
        ({"samples": [{"reward": 1}]}, "samples[0]", "{'reward': 1}", "give {text, reward (optional)"),
        ({"samples": [{"text": 5}]}, "samples[0].text", "5", "give text, in quotes"),
        ({"samples": [{"text": "\x00"}]}, "samples[0].text", r"'\x00'", "contains a NUL character"),
        ({"samples": [{"text": "\ud800"}]}, "samples[0].text", r"'\ud800'", "is no valid Unicode"),
        ({"samples": [{"text": "a", "reward": float("nan")}]}, "rewards[0]", "nan", "give a finite number"),
        ({"samples": [{"text": "a", "tokens": 1.5}]}, "tokens[0]", "1.5", "give a whole number"),
    ],
)
def test_a_bad_recording_is_refused_by_field_value_and_remedy(
    row: dict[str, Any], field: str, value: str, remedy: str
) -> None:
    with pytest.raises(BadQueryError) as caught:
        Recording.from_row(row)
    assert caught.value.field == field
    assert caught.value.value.startswith(value)
    assert remedy in caught.value.remedy


def test_counts_beside_samples_are_their_summary_and_leave_them_to_be_verified() -> None:
    found = read(samples=[{"text": "a"}, {"text": "b"}], n=2, successes=1)
    assert [(sample.text, sample.reward) for sample in found.samples] == [("a", None), ("b", None)]


@pytest.mark.parametrize("field", ["weak", "strong", "cost"])
def test_routing_is_not_built_yet_and_says_so(field: str) -> None:
    with pytest.raises(NotYetError, match=f"{field}: .*: not yet: routing"):
        Recording.from_row({field: {"rewards": [1]}})


def test_the_largest_recording_is_taken() -> None:
    assert len(read(n=MAX_SAMPLES, successes=7).samples) == MAX_SAMPLES
