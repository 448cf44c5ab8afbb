"""Proves that the closed forms of the comparison are what simulated sampling gives."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.compare import Comparison, compare
from adaqueue.core.curves import curve, recorded_survival
from adaqueue.core.decisions import Prediction
from adaqueue.core.marginal import FloatArray, from_beta, from_success
from adaqueue.core.policy import decide
from adaqueue.core.posterior import beta_hazards, logistic_hazards
from adaqueue.core.rule import Rule

SAMPLES = 4
MODEST = settings(max_examples=12, deadline=None)
# one that never succeeds is always among them: see the comparison of queries that are all solved
SUCCESSES = st.lists(st.integers(0, SAMPLES), max_size=4).map(lambda successes: [*successes, 0])
BETAS = st.lists(st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)), min_size=5, max_size=5, unique=True)
RULE = Rule(0.2, 1.5, (1.0, 4.0), ((-0.3, 1.1, -0.9, -0.2, -0.1, 0.0), (-0.5, 0.6, -1.2, -0.1, -0.2, 0.0)))
POLICIES = {
    "uniform",
    "uniform_early_stop",
    "window",
    "window_early_stop",
    "beta_window",
    "sequential",
    "oracle",
}


def said(betas: Sequence[tuple[float, float]]) -> list[Prediction]:
    return [Prediction(alpha, beta, "probe", "", (0.0, 0.0, 0.0)) for alpha, beta in betas]


def believed(chances: Sequence[float]) -> list[Prediction]:
    """Predictions of these mean success probabilities."""
    return said([(max(chance, 1e-9), max(1 - chance, 1e-9)) for chance in chances])


def known(successes: Sequence[int]) -> list[Prediction]:
    return believed([count / SAMPLES for count in successes])


def compared(
    predictions: list[Prediction], successes: Sequence[int], budgets: list[int], rule: Rule | None = None
) -> Comparison:
    return compare(predictions, rule, np.array(successes), SAMPLES, budgets)


def orders(successes: int) -> list[tuple[int, ...]]:
    """Every order in which a query's recorded draws may be replayed, each as likely as any other."""
    return list(set(itertools.permutations([1] * successes + [0] * (SAMPLES - successes))))


def solved(successes: int, budget: int) -> float:
    """How often the first `budget` draws hold a success, counted over all orders."""
    return float(np.mean([any(order[:budget]) for order in orders(successes)]))


def stopped(successes: int, budget: int) -> float:
    """Samples drawn on average where a success ends the query, counted over all orders."""
    return float(
        np.mean([order.index(1) + 1 if any(order[:budget]) else budget for order in orders(successes)])
    )


def bought(index: FloatArray, successes: Sequence[int], *, stops: bool) -> list[tuple[float, float]]:
    """Average samples and success at each price of an index, simulated over all orders."""
    points = [(0.0, 0.0)]
    for price in sorted(set(index.ravel().tolist()), reverse=True):
        budgets = (index >= price).sum(axis=1).tolist()
        given = list(zip(successes, budgets, strict=True))
        spent = [stopped(count, budget) if stops else budget for count, budget in given]
        points.append((float(np.mean(spent)), float(np.mean([solved(*one) for one in given]))))
    return points


def reached(points: Sequence[tuple[float, float]], samples: float) -> float:
    """Success at a number of samples, on straight lines between points."""
    return float(np.interp(samples, [x for x, _ in points], [y for _, y in points]))


def crossing(points: Sequence[tuple[float, float]], target: float) -> float | None:
    """Where straight lines between points first reach the target."""
    for (x0, y0), (x1, y1) in itertools.pairwise([points[0], *points]):
        if y1 >= target:
            return x1 if y1 == y0 else x0 + (x1 - x0) * max(target - y0, 0.0) / (y1 - y0)
    return None


def rounds(count: int) -> FloatArray:
    """The index of uniform."""
    return np.tile(-np.arange(SAMPLES, dtype=np.float64), (count, 1))


@MODEST
@given(SUCCESSES, st.integers(1, SAMPLES))
def test_uniform_at_a_budget_is_the_share_solved_over_all_orders(successes: list[int], budget: int) -> None:
    found = compared(known(successes), successes, [budget])
    expected = np.mean([solved(count, budget) for count in successes])
    assert found.success["uniform"][budget] == pytest.approx(expected)


@MODEST
@given(SUCCESSES, BETAS, st.sampled_from(["window", "beta_window"]))
def test_a_policy_that_buys_once_reaches_at_each_of_its_prices_what_its_budgets_reach(
    successes: list[int], betas: list[tuple[float, float]], policy: str
) -> None:
    n = len(successes)
    predictions = said(betas[:n])
    alpha, beta = np.array(betas[:n]).T
    index = {
        "window": from_success(alpha / (alpha + beta), SAMPLES),
        "beta_window": from_beta(alpha, beta, SAMPLES),
    }[policy]
    points = bought(index, successes, stops=False)
    for samples, success in points[1:]:
        units = decide(policy, predictions, round(samples * n), b_max=SAMPLES).units.tolist()
        judged = np.mean([solved(count, given) for count, given in zip(successes, units, strict=True)])
        assert success == pytest.approx(judged)
    for budget in range(1, SAMPLES + 1):
        found = compared(predictions, successes, [budget])
        assert found.success[policy][budget] == pytest.approx(reached(points, budget))


@MODEST
@given(SUCCESSES, BETAS, st.integers(1, SAMPLES))
def test_early_stop_reaches_and_needs_what_simulated_sampling_does(
    successes: list[int], betas: list[tuple[float, float]], budget: int
) -> None:
    n = len(successes)
    found = compared(said(betas[:n]), successes, [budget])
    alpha, beta = np.array(betas[:n]).T
    target = float(np.mean([solved(count, budget) for count in successes]))
    indices = {
        "uniform_early_stop": rounds(n),
        "window_early_stop": from_success(alpha / (alpha + beta), SAMPLES),
    }
    for policy, index in indices.items():
        simulated = bought(index, successes, stops=True)
        assert found.success[policy][budget] == pytest.approx(reached(simulated, budget))
        needed = crossing(simulated, target - 1e-12)
        assert needed is not None
        assert found.equal_reward_budget[policy][budget] == pytest.approx(needed / budget, abs=1e-6)
    share = found.equal_reward_budget["uniform_early_stop"][budget]
    assert share is not None
    assert share <= 1 + 1e-9


@MODEST
@given(SUCCESSES, BETAS, st.sampled_from([None, RULE]), st.integers(1, SAMPLES))
def test_sequential_reaches_and_needs_what_simulated_buying_by_its_hazards_does(
    successes: list[int], betas: list[tuple[float, float]], rule: Rule | None, budget: int
) -> None:
    n = len(successes)
    found = compared(said(betas[:n]), successes, [budget], rule)
    alpha, beta = np.array(betas[:n]).T
    hazards = (
        beta_hazards(alpha, beta, SAMPLES)
        if rule is None
        else logistic_hazards(rule.curves(np.log(alpha / beta), budget), SAMPLES)
    )
    simulated = bought(hazards, successes, stops=True)
    assert found.success["sequential"][budget] == pytest.approx(reached(simulated, budget))
    target = float(np.mean([solved(count, budget) for count in successes]))
    needed = crossing(simulated, target - 1e-12)
    assert needed is not None
    assert found.equal_reward_budget["sequential"][budget] == pytest.approx(needed / budget, abs=1e-6)


def test_the_sequential_column_is_the_closed_form_of_the_rules_own_curves_at_each_budget() -> None:
    rng = np.random.default_rng(3)
    alpha, beta = rng.gamma(1.0, size=(2, 60)) + 0.05
    successes = rng.binomial(32, alpha / (alpha + beta))
    predictions = said(list(zip(alpha.tolist(), beta.tolist(), strict=True)))
    found = compare(predictions, RULE, successes, 32, [1, 2, 4, 8])
    alive = recorded_survival(successes, 32, 32)
    for budget in (1, 2, 4, 8):
        hazards = logistic_hazards(RULE.curves(np.log(alpha / beta), budget), 32)
        expected = curve(hazards, alive, stops=True)
        assert found.success["sequential"][budget] == expected.at(budget)
        needed = expected.needed(found.success["uniform"][budget])
        assert needed is not None
        assert found.equal_reward_budget["sequential"][budget] == pytest.approx(needed / budget)


def test_the_probes_rule_and_not_its_beta_orders_sequential_buying() -> None:
    backwards = Rule(0.0, 1.0, (1.0,), ((0.0, -3.0, 0.0, 0.0, 0.0, 0.0),))
    predictions, successes = believed([0.9, 0.1]), [4, 0]
    by_beta, by_rule = (compared(predictions, successes, [1], rule) for rule in (None, backwards))
    assert by_beta.success["sequential"][1] == pytest.approx(0.5)
    assert by_rule.success["sequential"][1] == 0.0


@MODEST
@given(SUCCESSES, BETAS, st.integers(1, SAMPLES))
def test_nothing_that_draws_all_it_granted_beats_the_oracle(
    successes: list[int], betas: list[tuple[float, float]], budget: int
) -> None:
    found = compared(said(betas[: len(successes)]), successes, [budget])
    assert set(found.success) == set(found.equal_reward_budget) == POLICIES
    best = found.success["oracle"][budget]
    assert all(found.success[name][budget] <= best + 1e-9 for name in ("uniform", "window", "beta_window"))


def test_perfect_information_beats_uniform() -> None:
    successes = [4] * 5 + [1] * 5 + [0] * 10
    found = compared(known(successes), successes, [1, 2])
    for budget in (1, 2):
        assert found.success["window"][budget] > found.success["uniform"][budget]
        share = found.equal_reward_budget["window"][budget]
        assert share is not None
        assert share < 0.6


def test_predictions_that_say_nothing_are_no_better_than_uniform() -> None:
    successes = [0, 1, 2, 3, 4] * 4
    found = compared(believed([0.5] * 20), successes, [1, 2])
    for budget in (1, 2):
        for once in ("window", "beta_window"):
            assert found.success[once][budget] == pytest.approx(found.success["uniform"][budget])
            assert found.equal_reward_budget[once][budget] == pytest.approx(1.0)
        for stopping in ("window_early_stop", "sequential"):
            assert found.success[stopping] == pytest.approx(found.success["uniform_early_stop"])


def test_predictions_that_are_wrong_need_more_than_uniform() -> None:
    found = compared(believed([0.01, 0.5]), [4, 0], [1])
    assert found.success["window"][1] == 0.0
    share = found.equal_reward_budget["window"][1]
    assert share is not None
    assert share > 1


def test_a_share_is_of_uniforms_samples() -> None:
    found = compared(believed([1.0, 1.0, 0.0, 0.0]), [4, 4, 0, 0], [1, 2, 4])
    assert found.equal_reward_budget["window"] == {
        1: pytest.approx(0.5),
        2: pytest.approx(0.25),
        4: pytest.approx(0.125),
    }


def test_a_comparison_is_the_same_every_time_and_its_shares_lie_between_0_and_1() -> None:
    successes = [0, 1, 2, 3, 4] * 6
    one, two = (compared(known(successes), successes, [1, 2], RULE) for _ in range(2))
    assert one == two
    assert all(0 < share < 1 for by_budget in one.success.values() for share in by_budget.values())
    assert all(list(by_budget) == [1, 2] for by_budget in one.success.values())


@pytest.mark.parametrize("successes", [[4], [4, 4], [2, 3, 4]])
def test_queries_that_are_all_solved_before_the_draws_end_can_be_compared(successes: list[int]) -> None:
    found = compared(known(successes), successes, [1])
    assert found.equal_reward_budget["uniform_early_stop"][1] == pytest.approx(1.0)


def test_every_policy_that_draws_all_reaches_what_uniform_reaches_with_all() -> None:
    rng = np.random.default_rng(0)
    alpha, beta = rng.gamma(1.0, size=(2, 50)) + 0.05
    predictions = said(list(zip(alpha.tolist(), beta.tolist(), strict=True)))
    found = compare(predictions, RULE, rng.integers(0, 33, 50), 32, [32])
    for by_budget in found.equal_reward_budget.values():
        share = by_budget[32]
        assert share is not None
        assert 0 < share <= 1 + 1e-9
