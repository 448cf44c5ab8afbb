"""Proves that an order of buying, cut at a budget or a reward, agrees with its curve and with each query."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaqueue.core.curves import Purchases
from adaqueue.core.cuts import Order
from adaqueue.core.marginal import FloatArray, IntArray


def made(seed: int) -> tuple[FloatArray, IntArray, FloatArray]:
    """An index with many ties, kinds of queries, and the kinds' survival, in which some draws are certain."""
    rng = np.random.default_rng(seed)
    n, draws, kinds = (int(rng.integers(1, most)) for most in (30, 12, 5))
    hazards = rng.integers(0, 5, (kinds, draws)) / 4
    alive = np.multiply.accumulate(np.insert(1 - hazards, 0, 1.0, axis=1), axis=1)
    index: FloatArray = np.minimum.accumulate(rng.integers(0, 6, (n, draws)).astype(np.float64), axis=1)
    return index, rng.integers(kinds, size=n), alive


@given(seed=st.integers(0, 10_000), stops=st.booleans(), level=st.floats(0.01, 12))
def test_a_cut_at_a_budget_spends_and_wins_what_the_curve_says(seed: int, stops: bool, level: float) -> None:
    index, kind, alive = made(seed)
    bought = Purchases.of(index, alive[kind], stops=stops)
    order, curve = Order.of(bought, kind, len(alive)), bought.curve()
    costs = alive[:, :-1] if stops else np.ones_like(alive[:, 1:])
    spent, won = order.sums([costs, alive[:, :-1] - alive[:, 1:]])
    cut = spent.cut(level)
    assert won.at(cut) == pytest.approx(curve.at(level))
    assert spent.at(cut) == pytest.approx(min(level, curve.samples[-1]))
    each = order.each(cut, np.insert(np.cumsum(costs, axis=1), 0, 0.0, axis=1))
    assert each.shape == kind.shape
    assert each.mean() == pytest.approx(spent.at(cut))


@given(seed=st.integers(0, 10_000), stops=st.booleans(), share=st.floats(0.01, 0.99))
def test_a_cut_at_a_reward_spends_what_the_curve_needs(seed: int, stops: bool, share: float) -> None:
    index, kind, alive = made(seed)
    bought = Purchases.of(index, alive[kind], stops=stops)
    order, curve = Order.of(bought, kind, len(alive)), bought.curve()
    costs = alive[:, :-1] if stops else np.ones_like(alive[:, 1:])
    spent, won = order.sums([costs, alive[:, :-1] - alive[:, 1:]])
    level = share * curve.success[-1]
    assert won.reaches(level)
    assert not won.reaches(curve.success[-1] + 0.01)
    if level > 0:
        assert spent.at(won.cut(level)) == pytest.approx(curve.needed(level))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    index, kind, alive = made(5)
    bought = Purchases.of(index, alive[kind], stops=True)
    cells = alive[:, 1:].size
    found = []
    for most in (cells, 3 * cells, 64 * cells):
        monkeypatch.setattr("adaqueue.core.cuts.CELLS", most)
        order = Order.of(bought, kind, len(alive))
        spent, won = order.sums([alive[:, :-1], alive[:, :-1] - alive[:, 1:]])
        found.append([(spent.cut(level), won.at(spent.cut(level))) for level in (0.3, 1.0, 1.7)])
    assert [cut for cut, _ in found[0]] == [cut for cut, _ in found[1]] == [cut for cut, _ in found[2]]
    assert found[0] == found[1] == found[2]
