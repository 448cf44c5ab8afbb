"""Proves that readings are what curves say, and their intervals what resampling whole groups gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from adaqueue.core.curves import Purchases, curve, recorded_survival, round_robin
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.posterior import beta_hazards
from adaqueue.core.replays import Replay, between, group_weights, needed, reached

N, B = 60, 20
BUDGETS = (1, 2, 4)


def recorded(seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Survival of recorded draws, and the index of a policy that knows a little."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(0.5, 0.8, N)
    alpha = np.exp(np.log(chance / (1 - chance)).clip(-3, 3) / 2 + rng.normal(size=N))
    return recorded_survival(rng.binomial(B, chance), B, B), beta_hazards(alpha, np.ones(N), B)


def replayed(alive: FloatArray, groups: IntArray, budgets: Sequence[int] = BUDGETS) -> Replay:
    return Replay(1 - alive[:, list(budgets)], groups, budgets)


def each_alone() -> IntArray:
    return np.arange(N)


@pytest.mark.parametrize("stops", [True, False])
def test_a_reading_is_what_the_curve_says(stops: bool) -> None:
    alive, index = recorded()
    found = curve(index, alive, stops=stops)
    for budget, reading in zip(
        BUDGETS, replayed(alive, each_alone()).same(Purchases.of(index, alive, stops=stops)), strict=True
    ):
        assert reading.reward == pytest.approx(found.at(budget))
        uniform = float(1 - alive[:, budget].mean())
        assert reading.share == pytest.approx(float(found.needed(uniform) or np.inf) / budget)
        assert reading.samples == budget


@pytest.mark.parametrize("stops", [True, False])
def test_a_resample_is_replayed_as_if_its_queries_had_been_recorded(stops: bool) -> None:
    alive, index = recorded()
    groups = each_alone() // 3
    readings = replayed(alive, groups).same(Purchases.of(index, alive, stops=stops))
    for resample, weight in enumerate(group_weights(groups, 5, 0)):
        rows = np.repeat(np.arange(N), np.rint(weight / weight[weight > 0].min()).astype(int))
        again = curve(index[rows], alive[rows], stops=stops)
        for budget, reading in zip(BUDGETS, readings, strict=True):
            uniform = float(1 - alive[rows, budget].mean())
            share = float(again.needed(uniform) or np.inf) / budget
            assert reading.rewards[resample] == pytest.approx(again.at(budget), abs=0.01)
            assert reading.shares[resample] == pytest.approx(share, rel=0.03)


def test_resamples_keep_groups_whole() -> None:
    groups = np.array([0, 0, 1, 2, 2, 2])
    weights = group_weights(groups, 4_000, 0)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert (np.ptp(weights[:, groups == 2], axis=1) == 0).all()
    assert set(np.rint(weights[:, 0] * 6).tolist()) > {0.0, 1.0, 2.0}


def test_queries_that_resemble_their_group_make_intervals_wider() -> None:
    alive, index = recorded()
    order = np.argsort(alive[:, 1])
    replays = [replayed(alive[order], groups) for groups in (each_alone() // 5, each_alone())]
    bought = Purchases.of(index[order], alive[order], stops=True)
    wide, narrow = (reached([replay.same(bought)[0]]) for replay in replays)
    assert wide.low < narrow.low < narrow.reward < narrow.high < wide.high
    assert wide.reward == narrow.reward


def test_uniform_needs_just_its_own_samples_and_early_stop_is_not_ahead_of_itself() -> None:
    alive, _ = recorded()
    replay = replayed(alive, each_alone())
    early = replay.same(Purchases.of(round_robin(N, B), alive, stops=True))
    for reading in replay.uniform():
        found = needed([reading], reading)
        assert (found.share, found.low, found.high, found.missed) == (1.0, 1.0, 1.0, 0)
    for reading in early:
        assert needed([reading, reading], reading).over_other == (0.0, 0.0)
        assert needed([reading, reading], reading).deviation == 0


def test_what_is_never_reached_is_said_and_not_dropped() -> None:
    alive = recorded_survival(np.array([0, 10]), 10, 10)
    hopeless_first = np.array([[2.0] * 10, [1.0] * 10])
    reading = replayed(alive, np.arange(2), (5,)).same(Purchases.of(hopeless_first, alive, stops=False))[0]
    assert needed([reading], reading).share == pytest.approx(20 / 2 / 5)
    nowhere = type(reading)(
        reading.reward, 5.0, np.inf, reading.rewards, np.full_like(reading.shares, np.inf)
    )
    found = needed([reading, nowhere], reading)
    assert (found.share, found.deviation, found.high, found.missed) == (None, None, None, 1)


def test_a_line_is_read_where_it_first_reaches_a_level() -> None:
    x = np.array([[0.0, 1.0, 1.0, 3.0]])
    y = np.array([[0.0, 2.0, 5.0, 7.0]])
    for level, found in ((0.0, 0.0), (0.5, 1.0), (1.0, 2.0), (2.0, 6.0), (3.0, 7.0), (3.1, 99.0)):
        assert between(x, y, np.array([level]), 99.0) == pytest.approx(found)
