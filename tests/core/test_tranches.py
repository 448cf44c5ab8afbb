"""Proves that chat tranches are the tenths of least and most variance, and are replayed on their own."""

from __future__ import annotations

import numpy as np
import pytest

from adaqueue.core.chat_replay import OTHER, SAME, apart, evaluate_rewards, tranches
from adaqueue.core.evaluation import Plan
from adaqueue.core.marginal import from_rewards
from tests.recorded import recorded

SPREAD = np.linspace(0.1, 4, 80)
GRADES = np.random.default_rng(0).normal(0, 1, (80, 8)) * SPREAD[:, None] - 3


def test_tranches_are_the_tenths_of_least_and_most_variance() -> None:
    parts, variance = tranches(GRADES), GRADES.var(axis=1)
    assert {name: len(rows) for name, rows in parts.items()} == {"lowest": 8, "highest": 8, "both": 16}
    assert variance[parts["lowest"]].max() <= np.sort(variance)[7]
    assert variance[parts["highest"]].min() >= np.sort(variance)[-8]
    assert set(parts["both"]) == {*parts["lowest"], *parts["highest"]}
    assert tranches(GRADES[:40]) == {}


def test_each_is_replayed_on_its_own_and_an_oracle_saves_most_on_both_together() -> None:
    found = evaluate_rewards(recorded(GRADES), Plan((1, 2), 5, 2), lambda *_: None)
    for name, rows in tranches(GRADES[:, ::2]).items():
        exact = np.cumsum(from_rewards(GRADES[rows, 1::2], 4), axis=1).mean(axis=0)
        assert found.tranches[name].queries == len(rows)
        assert found.tranches[name].policies["uniform"][2].reward == pytest.approx(exact[1])
    whole, both = found.needed["oracle"][2].share, found.tranches["both"].needed["oracle"][2].share
    assert whole is not None
    assert both is not None
    assert both < whole < 1


def test_where_all_queries_spread_alike_choosing_by_other_rewards_gains_nothing() -> None:
    grades = np.random.default_rng(1).normal(0, 1, (600, 16))
    plan = Plan((1, 4), 5, 1)
    found = evaluate_rewards(recorded(grades), plan, lambda *_: None).tranches["both"]
    halves = evaluate_rewards(recorded(grades[:, 1::2]), plan, lambda *_: None)
    same = halves.tranches["both"]
    assert (found.chosen_on, same.chosen_on) == (OTHER, SAME)
    honest, whole, flattered = (own.needed["oracle"][4].share for own in (found, halves, same))
    assert honest == pytest.approx(whole, abs=0.02)
    assert (flattered or 1) < (whole or 0) - 0.03


def test_rewards_that_choose_score_too_only_where_too_few_would_be_left_and_it_is_said() -> None:
    choosing, scored, words = apart(GRADES, 2)
    assert (choosing == GRADES[:, [0, 2, 4, 6]]).all()
    assert (scored == GRADES[:, [1, 3, 5, 7]]).all()
    assert words == OTHER
    assert apart(GRADES, 3)[2] == SAME
    found = evaluate_rewards(recorded(GRADES), Plan((1, 3), 5, 1), lambda *_: None)
    assert {part.chosen_on for part in found.tranches.values()} == {SAME}
