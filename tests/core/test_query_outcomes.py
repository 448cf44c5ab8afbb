"""Proves what outcomes say of their samples, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from adaqueue.core.outcomes import Outcomes


def outcomes(*rewards: tuple[float, ...], stopped: bool = False) -> Outcomes:
    n = len(rewards)
    return Outcomes(
        tuple(map(str, range(n))),
        tuple(({"role": "user", "content": f"query {place}"},) for place in range(n)),
        np.arange(2 * n, dtype=np.float32).reshape(n, 2),
        rewards,
        np.full(n, stopped),
        np.arange(n),
        np.full(n, np.nan),
    )


def test_counts_are_those_of_the_rewards() -> None:
    given = outcomes((0, 1, 1), (), (0,))
    assert given.successes.tolist() == [2, 0, 0]
    assert given.samples.tolist() == [3, 0, 1]
    assert given.prompts == ("query 0", "query 1", "query 2")


def test_chosen_queries_keep_everything_of_theirs() -> None:
    chosen = outcomes((1,), (0,), (0, 1)).take(np.array([2, 0]))
    assert chosen.ids == ("2", "0")
    assert list(map(list, chosen.rewards)) == [[0, 1], [1]]
    np.testing.assert_array_equal(np.asarray(chosen.states), [[4, 5], [0, 1]])


def test_a_log_that_stops_counts_in_the_order_of_drawing() -> None:
    survival = outcomes((0, 1, 0), (0, 0), (), stopped=True).survival(3)
    np.testing.assert_array_equal(survival, [[1, 1, 0, 0], [1, 1, 1, np.nan], [1, np.nan, np.nan, np.nan]])


def test_a_log_that_did_not_stop_counts_in_every_order() -> None:
    survival = outcomes((0, 1, 0), (0, 0)).survival(3)
    np.testing.assert_allclose(survival, [[1, 2 / 3, 1 / 3, 0], [1, 1, 1, np.nan]])


def test_each_query_needs_everything() -> None:
    with pytest.raises(ValueError, match=r"2 queries need as many of each, not .'groups': 3."):
        Outcomes(("a", "b"), ((), ()), None, ((), ()), np.zeros(2, bool), np.arange(3), np.zeros(2))
