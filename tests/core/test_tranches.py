"""Proves that chat tranches are the tenths of least and most variance, and are replayed on their own."""

from __future__ import annotations

import numpy as np
import pytest

from adaqueue.core.chat_replay import evaluate_rewards, tranches
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
    found = evaluate_rewards(recorded(GRADES), Plan((1, 2, 4), 5, 2), lambda *_: None)
    for name, rows in tranches(GRADES).items():
        exact = np.cumsum(from_rewards(GRADES[rows], 4), axis=1).mean(axis=0)
        assert found.tranches[name].queries == len(rows)
        assert found.tranches[name].policies["uniform"][4].reward == pytest.approx(exact[3])
    whole, both = found.needed["oracle"][4].share, found.tranches["both"].needed["oracle"][4].share
    assert whole is not None
    assert both is not None
    assert both < whole < 1
