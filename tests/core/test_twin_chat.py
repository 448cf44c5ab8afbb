"""Proves that the twin's chat queries are worth what drawing them is, and save what the paper's do."""

from __future__ import annotations

import numpy as np
import pytest

from adaqueue.core.allocate import allocate
from adaqueue.core.twin_chat import (
    CHAT,
    ChatMeasured,
    best_of,
    draw_chats,
    measure_chats,
    tranches,
)


def test_the_best_of_so_many_normals_is_what_drawing_them_gives() -> None:
    drawn = np.random.default_rng(0).normal(size=(400_000, 8))
    np.testing.assert_allclose(best_of(8), np.maximum.accumulate(drawn, axis=1).mean(axis=0), atol=0.006)


def test_predictions_are_the_mean_spread_of_queries_with_this_prediction() -> None:
    drawn = draw_chats(CHAT, 40_000, np.random.default_rng(1))
    for part in np.array_split(np.argsort(drawn.predicted), 10):
        assert drawn.deviation[part].mean() == pytest.approx(drawn.predicted[part].mean(), rel=0.05)


def test_curves_at_whole_budgets_are_those_of_the_greedy_allocation() -> None:
    drawn = draw_chats(CHAT, 500, np.random.default_rng(2))
    gains = np.diff(best_of(8), prepend=0.0)
    found = measure_chats(drawn, 8)
    for name, known in (("window", drawn.predicted), ("oracle", drawn.deviation)):
        for budget in (1, 3, 6, 8):
            granted = allocate(known[:, None] * gains, 500 * budget, minimum=1).units
            reward = (drawn.deviation * best_of(8)[granted - 1]).mean()
            assert found.reward[name][budget] == pytest.approx(reward)


def saved(found: ChatMeasured, policy: str) -> list[float]:
    shares = [found.equal_reward_budget[policy][b] for b in range(2, 7)]
    return [1 - share for share in shares if share is not None]


def test_savings_are_the_paper_s_on_all_queries_and_larger_on_the_tranches() -> None:
    drawn = draw_chats(CHAT, 6_000, np.random.default_rng(3))
    everything, parts = measure_chats(drawn, 8), tranches(drawn)
    assert all(0.15 < share < 0.25 for share in saved(everything, "oracle"))
    assert all(0.05 < share < 0.13 for share in saved(everything, "window"))
    assert all(0.18 < share < 0.40 for share in saved(measure_chats(parts["both"], 8), "window"))
    for part in ("lowest", "highest"):
        assert all(share < 0.05 for share in saved(measure_chats(parts[part], 8), "window"))


def test_tranches_are_the_tenths_of_lowest_and_highest_variance() -> None:
    drawn = draw_chats(CHAT, 200, np.random.default_rng(4))
    parts = tranches(drawn)
    assert [len(part.variance) for part in parts.values()] == [20, 20, 40]
    assert parts["lowest"].variance.max() <= np.quantile(drawn.variance, 0.11)
    assert parts["highest"].variance.min() >= np.quantile(drawn.variance, 0.89)
