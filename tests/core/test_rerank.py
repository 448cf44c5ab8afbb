"""Proves that the answer is the sample of highest reward, first drawn among equals, unverified last."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.rerank import best

REWARDS = st.lists(st.none() | st.sampled_from([-2.0, 0.0, 1.0]) | st.floats(-5, 5), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None)
@given(REWARDS)
def test_no_sample_has_a_higher_reward_and_no_earlier_one_an_equal_reward(
    rewards: list[float | None],
) -> None:
    chosen = best(rewards)
    given_rewards = [reward for reward in rewards if reward is not None]
    if not given_rewards:
        assert chosen == 0
        return
    assert rewards[chosen] == max(given_rewards)
    assert rewards[chosen] not in rewards[:chosen]


@pytest.mark.parametrize(
    ("rewards", "index"),
    [
        ([0.0, 1.0, 1.0], 1),
        ([None, 0.0], 1),
        ([None, -7.5, None], 1),
        ([None, float("-inf")], 1),
        ([0.0, 0.0], 0),
        ([None, None], 0),
        ([3.0], 0),
    ],
)
def test_the_choice_is_as_documented(rewards: list[float | None], index: int) -> None:
    assert best(rewards) == index


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        best([])


def test_a_reward_that_is_no_number_is_refused_by_its_place() -> None:
    with pytest.raises(ValueError, match=r"rewards\[1\] must be a number or None, not nan"):
        best([1.0, float("nan")])
