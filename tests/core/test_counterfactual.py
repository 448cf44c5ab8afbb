"""Proves that policies which did not decide are told from the log, as far as it was explored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.counterfactual import Counterfactual, counterfactual
from adaqueue.core.logged import Logged
from adaqueue.core.trial import Contestant
from adaqueue.core.twin import POPULATIONS, Twin, draw
from adaqueue.errors import NoSupportError
from tests.core.logs import B_MAX, log

POPULATION = replace(POPULATIONS["code"], b_max=B_MAX)
BUDGETS = (1, 2, 4)


def served(queries: int, share: float, seed: int) -> tuple[Twin, Logged]:
    """Everybody draws up to three samples, but for those that are explored."""
    rng = np.random.default_rng(seed)
    twin = draw(POPULATION, queries, rng)
    return twin, log(twin, np.full(queries, 3), share, rng)


def word(twin: Twin) -> Contestant:
    return Contestant(Beliefs.of(twin.alpha, twin.beta), None)


@pytest.fixture(scope="module")
def case() -> tuple[Twin, Counterfactual]:
    twin, logged = served(20_000, 0.1, seed=1)
    return twin, counterfactual(logged, word(twin), BUDGETS)


def test_uniform_wins_what_it_truly_wins_and_a_success_saves_what_it_truly_saves(
    case: tuple[Twin, Counterfactual],
) -> None:
    twin, found = case
    for budget in BUDGETS:
        in_full, stopping = (
            found.policies[name][budget].reached for name in ("uniform", "uniform_early_stop")
        )
        assert in_full is not None
        assert stopping is not None
        assert in_full.success == stopping.success
        assert in_full.samples.value == budget
        assert in_full.success.value == pytest.approx(1 - twin.survival[:, budget].mean(), abs=0.02)
        assert stopping.samples.value == pytest.approx(twin.survival[:, :budget].sum(axis=1).mean(), abs=0.05)


def test_a_probe_is_asked_at_the_price_that_spends_the_budget(case: tuple[Twin, Counterfactual]) -> None:
    twin, found = case
    cell = found.policies["sequential"][2]
    assert cell.reached is not None
    depth = cell.limit
    hazards = twin.alpha[:, None] / ((twin.alpha + twin.beta)[:, None] + np.arange(depth))
    spent = np.pad(np.cumsum(twin.survival, axis=1), ((0, 0), (1, 0)))
    rows = np.arange(len(twin.success))
    samples = cell.reached.samples
    assert samples.low <= 2.05
    assert samples.high >= 1.95
    price = np.quantile(hazards, np.linspace(0, 1, 2_001))
    budgets = [(hazards >= one).sum(axis=1) for one in price]
    right = min(budgets, key=lambda own: abs(spent[rows, own].mean() - samples.value))
    assert cell.reached.success.value == pytest.approx(1 - twin.survival[rows, right].mean(), abs=0.03)


def test_no_budget_is_deeper_than_what_was_explored(case: tuple[Twin, Counterfactual]) -> None:
    _, found = case
    assert (np.diff(found.support) <= 0).all()
    assert found.support[-1] >= 30
    deep = counterfactual(served(2_000, 0.05, seed=2)[1], None, (1, 16))
    assert deep.policies["uniform"][1].reached is not None
    assert deep.policies["uniform"][16].reached is None
    assert "explored queries, in effect" in deep.policies["uniform_early_stop"][16].refusal


def test_what_happened_in_fact_is_told_beside_it() -> None:
    twin, logged = served(4_000, 0.1, seed=3)
    found = counterfactual(logged, word(twin), (1,))
    assert found.queries == 4_000
    assert found.explored == np.count_nonzero(logged.explored)
    assert found.samples == logged.outcomes.samples.mean()
    assert found.success == np.mean(logged.outcomes.successes > 0)


def test_without_exploration_the_remedy_is_named() -> None:
    twin, logged = served(1_000, 0.0, seed=4)
    with pytest.raises(NoSupportError, match=r"0\.0 of 1,000 queries .* raise ADAQUEUE_EXPLORATION_SHARE"):
        counterfactual(logged, word(twin), (1,))


def test_a_log_that_could_not_be_explored_is_refused() -> None:
    twin, logged = served(1_000, 0.1, seed=5)
    closed = replace(logged, explorable=np.zeros(1_000, dtype=np.bool_))
    with pytest.raises(NoSupportError, match=r"0\.0 of 0 queries"):
        counterfactual(closed, word(twin), (1,))
