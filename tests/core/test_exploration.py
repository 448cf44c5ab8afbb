"""Proves who gets a random budget, by which law, and that nothing a query says has a part in it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from adaqueue.core.decisions import Account, Waiting, Window
from adaqueue.core.exploration import explore, reach
from adaqueue.core.specs import Run

RUN = Run(UUID(int=1), "r", "transformers", "m", "sequential", 4.0, 64, False)


def window(
    queries: int = 100, *, low: int = 0, high: int = 64, domain: str = "math", run: Run = RUN
) -> Window:
    waiting = tuple(Waiting(uuid7(), f"q{n}", domain, low, high, {}, "") for n in range(queries))
    return Window(uuid7(), Account(run, "t", 0.0, 400.0), waiting, total=4 * queries)


def chances(average_budget: float, low: int, high: int) -> list[float]:
    """Of each budget 1, 2, ..., high, by the law's definition."""
    stop = 1 / max(average_budget, 1.0)
    raw = {budget: stop * (1 - stop) ** (budget - 1) for budget in range(1, 2_000)}
    cut: defaultdict[int, float] = defaultdict(float)
    for budget, chance in raw.items():
        cut[min(max(budget, low), high)] += chance
    return [cut[budget] for budget in range(1, high + 1)]


@given(st.floats(0.1, 50), st.integers(0, 8), st.integers(1, 8))
def test_the_law_is_geometric_with_its_mean_cut_at_both_ends(mean: float, low: int, high: int) -> None:
    low = min(low, high)
    (tail,) = reach(np.array([mean]), np.array([low]), np.array([high]), high + 1)
    assert -np.diff(tail) == pytest.approx(chances(mean, low, high), abs=1e-9)


def test_the_mean_is_the_average_budget() -> None:
    (tail,) = reach(np.array([4.0]), np.array([0]), np.array([1_000]), 1_000)
    assert tail.sum() == pytest.approx(4.0)


def test_the_share_is_chosen_and_budgets_follow_the_law() -> None:
    found = explore(window(20_000), 0.2)
    assert len(found) / 20_000 == pytest.approx(0.2, abs=0.01)
    budgets = [one.budget for one in found.values()]
    assert np.mean(budgets) == pytest.approx(4.0, abs=0.2)
    expected = chances(4.0, 0, 64)
    assert [np.mean(np.equal(budgets, b)) for b in (1, 2, 5)] == pytest.approx(
        [expected[b - 1] for b in (1, 2, 5)], abs=0.03
    )


@given(st.floats(0.01, 1.0), st.integers(0, 5), st.integers(1, 5))
def test_propensity_is_the_share_times_the_chance_of_the_budget(share: float, low: int, high: int) -> None:
    low = min(low, high)
    expected = chances(4.0, low, high)
    for one in explore(window(30, low=low, high=high), share).values():
        assert max(low, 1) <= one.budget <= high
        assert one.propensity == pytest.approx(share * expected[one.budget - 1])


def test_everybody_or_nobody_is_explored_at_the_ends_of_the_share() -> None:
    assert len(explore(window(), 1.0)) == 100
    assert explore(window(), 0.0) == {}


def test_the_ids_of_window_and_query_alone_decide() -> None:
    given_first = window()
    said = tuple(replace(one, prompt="other", external_id="other") for one in given_first.queries)
    assert explore(replace(given_first, queries=said), 0.5) == explore(given_first, 0.5)
    assert explore(replace(given_first, id=uuid7()), 0.5) != explore(given_first, 0.5)
    alone = replace(given_first, queries=given_first.queries[:1])
    assert explore(alone, 1.0).items() <= explore(given_first, 1.0).items()


@pytest.mark.parametrize("policy", ["sequential", "window", "beta_window"])
def test_a_policy_by_which_a_probe_passes_queries_over_is_explored(policy: str) -> None:
    assert explore(window(run=replace(RUN, policy=policy)), 1.0)


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, policy="uniform"),
        replace(RUN, policy="uniform_early_stop"),
        replace(RUN, engine="replay"),
        replace(RUN, average_budget=0.0),
    ],
    ids=["uniform", "round robin", "replay", "nothing to spend"],
)
def test_where_there_is_nothing_to_learn_nothing_is_explored(run: Run) -> None:
    assert explore(window(run=run), 1.0) == {}


def test_chat_and_what_may_draw_nothing_is_not_explored() -> None:
    assert explore(window(domain="chat"), 1.0) == {}
    assert explore(window(high=0), 1.0) == {}
