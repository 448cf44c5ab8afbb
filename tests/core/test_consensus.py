"""Proves that votes are counted by meaning, ties go to the earliest, and a lead's certainty is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.consensus import Consensus, certainty, groups, leader

MODEST = settings(max_examples=100, deadline=None)
ANSWERS = st.lists(st.one_of(st.none(), st.integers(-5, 5).map(str)), max_size=30)


def same_size(first: str, second: str) -> bool:
    return abs(int(first)) == abs(int(second))


@MODEST
@given(ANSWERS)
def test_samples_share_a_group_exactly_if_their_answers_are_the_same(answers: list[str | None]) -> None:
    numbers = groups(answers, same_size)
    for one, first in zip(numbers, answers, strict=True):
        for other, second in zip(numbers, answers, strict=True):
            if first is None or second is None:
                assert -1 in {one, other}
            else:
                assert (one == other) == same_size(first, second)


@MODEST
@given(ANSWERS)
def test_groups_are_numbered_in_order_of_appearance(answers: list[str | None]) -> None:
    seen = list(dict.fromkeys(number for number in groups(answers, same_size) if number >= 0))
    assert seen == list(range(len(seen)))


def test_equal_texts_are_never_compared() -> None:
    def same(first: str, second: str) -> bool:
        raise AssertionError(f"{first} and {second} were compared")

    assert groups(["5", None, "5", "5"], same) == [0, -1, 0, 0]


def test_an_answer_is_compared_with_each_groups_first_member_alone() -> None:
    compared = []

    def near(first: str, second: str) -> bool:
        compared.append((first, second))
        return abs(int(first) - int(second)) <= 1

    assert groups(["1", "2", "3", "2"], near) == [0, 0, 1, 0]
    assert compared == [("1", "2"), ("1", "3")]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([0, 1, 1], Consensus(leader=1, votes=2, runner_up=1, total=3)),
        ([0, 1, 1, 0], Consensus(leader=0, votes=2, runner_up=2, total=4)),
        ([-1, 0], Consensus(leader=1, votes=1, runner_up=0, total=1)),
        ([0, -1, 1, 2, 2, -1], Consensus(leader=3, votes=2, runner_up=1, total=4)),
        ([-1, -1], None),
        ([], None),
    ],
)
def test_the_largest_group_leads_and_the_earliest_of_equal_ones(
    numbers: list[int], expected: Consensus | None
) -> None:
    assert leader(numbers) == expected


@MODEST
@given(ANSWERS)
def test_the_leaders_votes_are_those_that_agree_with_it(answers: list[str | None]) -> None:
    numbers = groups(answers, same_size)
    found = leader(numbers)
    if found is None:
        assert set(answers) <= {None}
        return
    votes = [numbers.count(number) for number in range(max(numbers) + 1)]
    assert found.votes == votes[numbers[found.leader]] == max(votes)
    assert found.total == sum(votes)
    assert found.runner_up == sorted([0, *votes])[-2]


@MODEST
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_certainty_is_the_share_of_simulated_posteriors_above_a_half(
    first: int, second: int, seed: int
) -> None:
    first, second = max(first, second), min(first, second)
    draws = np.random.default_rng(seed).beta(first + 1, second + 1, 20_000)
    assert certainty(first, second) == pytest.approx(np.mean(draws > 0.5), abs=0.02)


@pytest.mark.parametrize(
    ("first", "second", "exact"), [(0, 0, 0.5), (1, 0, 0.75), (2, 0, 0.875), (7, 7, 0.5)]
)
def test_certainty_is_known_by_hand_for_small_counts(first: int, second: int, exact: float) -> None:
    assert certainty(first, second) == pytest.approx(exact, abs=1e-12)


@MODEST
@given(st.integers(0, 50), st.integers(0, 50))
def test_a_vote_for_the_leader_adds_certainty_and_one_for_the_other_takes_some(
    first: int, second: int
) -> None:
    first, second = max(first, second) + 1, min(first, second)
    assert certainty(first + 1, second) >= certainty(first, second) >= certainty(first, second + 1)


@pytest.mark.parametrize(("first", "second"), [(1, 2), (0, -1), (-1, -1)])
def test_counts_that_cannot_be_are_refused(first: int, second: int) -> None:
    with pytest.raises(ValueError, match="cannot have a runner-up"):
        certainty(first, second)
