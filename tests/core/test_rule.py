"""Proves that the rule recovers what scores are worth, and is round robin where they are worth nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from adaqueue.core.curves import curve, recorded_survival, round_robin
from adaqueue.core.marginal import FloatArray
from adaqueue.core.posterior import beta_hazards, logistic_hazards, survival
from adaqueue.core.rule import Rule, fit_rule

BUDGETS = (1.0, 2.0, 4.0, 8.0)
B = 24
NUMBERS = st.floats(-1e6, 1e6)
MODEST = settings(max_examples=40, deadline=None)
FEW = settings(max_examples=8, deadline=None)


def population(n: int, seed: int, worth: float = 1.0) -> tuple[FloatArray, FloatArray]:
    """Scores, and exact survival of Beta distributed success whose mean they tell."""
    score = np.random.default_rng(seed).normal(size=n)
    mean = expit(-0.8 + worth * score)
    return score, survival(beta_hazards(1.5 * mean, 1.5 * (1 - mean), B))


def drawn(score: FloatArray, truth: FloatArray, seed: int) -> FloatArray:
    """The survival as logs in their order have it: 1 until the first success, 0 after."""
    end = np.random.default_rng(seed).random(len(score))
    return (truth > end[:, None]).astype(np.float64)


def hazards(rule: Rule, score: FloatArray, average_budget: float = 2.0, b: int = B) -> FloatArray:
    return logistic_hazards(rule.curves(score, average_budget), b)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    budgets = sorted(draw(st.sets(st.floats(0.1, 1000), min_size=1, max_size=4)))
    rows = st.tuples(*[NUMBERS] * draw(st.sampled_from([6, 8])))
    coefficients = draw(st.lists(rows, min_size=len(budgets), max_size=len(budgets)))
    return Rule(draw(NUMBERS), draw(st.floats(1e-6, 1e6)), tuple(budgets), tuple(coefficients))


@MODEST
@given(rules())
def test_a_rule_survives_json(rule: Rule) -> None:
    assert Rule.from_data(json.loads(json.dumps(rule.to_data()))) == rule


GOOD: dict[str, Any] = {"centre": 0.0, "scale": 1.0, "budgets": [1, 2], "coefficients": [[0] * 6, [1] * 6]}


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 0.0},
        {"scale": "1"},
        {"centre": float("nan")},
        {"centre": True},
        {"budgets": [2, 1]},
        {"budgets": [0, 1]},
        {"budgets": []},
        {"budgets": 3},
        {"coefficients": [[0] * 6]},
        {"coefficients": [[0] * 6, [0] * 5]},
        {"coefficients": [[0] * 6, [0] * 8]},
        {"coefficients": [[0] * 6, [0] * 5 + [float("inf")]]},
        {"coefficients": [0, 1]},
        {"coefficients": None},
        {"more": 1},
    ],
)
def test_what_is_no_rule_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rule|budgets"):
        Rule.from_data(GOOD | change)


@pytest.mark.parametrize("data", [None, [], "rule", {}, {"centre": 0.0}])
def test_data_of_another_form_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="a rule has the fields"):
        Rule.from_data(data)


@MODEST
@given(rules(), st.lists(NUMBERS, max_size=5), st.floats(0.01, 1e4))
def test_hazards_never_rise_whatever_the_rule(rule: Rule, scores: list[float], average_budget: float) -> None:
    found = hazards(rule, np.array(scores, dtype=np.float64), average_budget)
    assert (np.diff(found, axis=1) <= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_coefficients_are_linear_in_log_budget_between_those_fitted_and_constant_beyond() -> None:
    rule = Rule(0.0, 1.0, (1.0, 4.0), ((0.0, 1.0, 0, 0, 0, 0), (2.0, 3.0, 0, 0, 0, 0)))
    score = np.array([0.0, 1.0])
    firsts = [rule.curves(score, budget)[:, 0].tolist() for budget in (0.5, 1, 2, 4, 100)]
    assert firsts == [[0, 1], [0, 1], [1, 3], [2, 5], [2, 5]]


@pytest.mark.parametrize(("score", "average_budget"), [([np.nan], 1.0), ([[0.0]], 1.0), ([0.0], 0.0)])
def test_scores_and_budgets_out_of_range_are_refused(score: Any, average_budget: float) -> None:
    with pytest.raises(ValueError, match=r"score|average_budget"):
        Rule.from_data(GOOD).curves(np.array(score), average_budget)


def test_the_same_records_and_seed_give_the_same_rule() -> None:
    score, alive = population(80, 0)
    assert fit_rule(score, alive, 3, BUDGETS) == fit_rule(score, alive, 3, BUDGETS)
    assert fit_rule(score, alive, 3, BUDGETS) != fit_rule(score, alive, 4, BUDGETS)


def test_a_hazard_within_the_family_is_recovered() -> None:
    score = np.random.default_rng(0).normal(size=2_000)
    true = Rule(0.0, 1.0, (1.0,), ((-0.5, 1.0, -0.4, -0.2, -0.05, 0.0),))
    rule = fit_rule(score, survival(hazards(true, score)), 0, BUDGETS)
    asked = np.linspace(-1.5, 1.5, 7)
    for budget in BUDGETS[:3]:
        assert hazards(rule, asked, budget, 8) == pytest.approx(hazards(true, asked, 1.0, 8), abs=0.03)


def test_a_constant_score_is_round_robin() -> None:
    _, alive = population(200, 1)
    rule = fit_rule(np.zeros(200), alive, 0, BUDGETS)
    replayed = curve(hazards(rule, np.zeros(200)), alive, stops=True)
    expected = curve(round_robin(200, B), alive, stops=True)
    assert [replayed.at(b) for b in BUDGETS] == pytest.approx([expected.at(b) for b in BUDGETS])


@pytest.mark.parametrize(("worth", "least", "most"), [(0.0, 0.95, 1.02), (1.5, 0.3, 0.85)])
def test_a_score_saves_as_much_as_it_is_worth_and_a_worthless_one_costs_nothing(
    worth: float, least: float, most: float
) -> None:
    score, alive = population(300, 2, worth)
    rule = fit_rule(score, drawn(score, alive, 3), 0, BUDGETS)
    fresh, truth = population(2_000, 4, worth)
    stopping = curve(round_robin(2_000, B), truth, stops=True)
    for budget in BUDGETS[:3]:
        replayed = curve(hazards(rule, fresh, budget), truth, stops=True)
        needed = replayed.needed(stopping.at(budget))
        assert needed is not None
        assert least < needed / budget < most


@FEW
@given(st.floats(0.01, 100), st.floats(-50, 50))
def test_scale_and_origin_of_the_score_do_not_matter(scale: float, origin: float) -> None:
    score, alive = population(40, 5)
    expected = fit_rule(score, alive, 0, (2.0,)).curves(score, 2.0)
    other = scale * score + origin
    assert fit_rule(other, alive, 0, (2.0,)).curves(other, 2.0) == pytest.approx(expected, abs=1e-5)


def censored(score: FloatArray, alive: FloatArray, seed: int) -> FloatArray:
    """Logs that end at a length which depends on chance and on the score, but on no outcome not yet seen."""
    length = np.random.default_rng(seed).geometric(expit(-2.0 - score / 2))
    return np.where((np.arange(B + 1) > length[:, None]) & (alive > 0), np.nan, alive)


def test_logs_cut_short_give_the_curve_of_whole_logs() -> None:
    score, truth = population(6_000, 6)
    logs = drawn(score, truth, 7)
    short = censored(score, logs, 8)
    assert np.isnan(short[:, -1]).mean() > 0.05
    asked = np.linspace(-1.5, 1.5, 5)
    whole, cut = (hazards(fit_rule(score, x, 0, BUDGETS), asked, 2.0, 8) for x in (logs, short))
    assert cut == pytest.approx(whole, abs=0.03)


def test_queries_may_have_different_numbers_of_samples() -> None:
    score, _ = population(3_000, 9)
    rng = np.random.default_rng(0)
    samples = rng.choice([6, B], size=3_000)
    successes = rng.binomial(samples, rng.beta(1.5 * expit(score), 1.5 * expit(-score)))
    alive = np.full((3_000, B + 1), np.nan)
    for recorded in (6, B):
        rows = samples == recorded
        alive[rows, : recorded + 1] = recorded_survival(successes[rows], recorded, recorded)
    asked = np.linspace(-1, 1, 3)
    expected = beta_hazards(1.5 * expit(asked), 1.5 * expit(-asked), 6)
    assert hazards(fit_rule(score, alive, 0, BUDGETS), asked, 2.0, 6) == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize(
    ("score", "alive", "said"),
    [
        ([0.0, np.nan], [[1, 0.5], [1, 0.5]], "score must be finite"),
        ([0.0], [[1, 0.5], [1, 0.5]], "must have shape"),
        ([], np.ones((0, 2)), "must have shape"),
        ([0.0], [[0.9, 0.5]], "start at 1"),
        ([0.0], [[1.0, 0.5, 0.6]], "never rise"),
        ([0.0], [[1.0, np.nan, 0.6]], "NaN only"),
        ([0.0], [[1.0, np.nan]], "no draw"),
    ],
)
def test_records_that_cannot_be_are_refused(score: Any, alive: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_rule(np.array(score), np.array(alive, dtype=np.float64), 0)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_queries_that_all_fail_or_all_succeed_give_a_rule(outcome: float) -> None:
    score = np.linspace(-1, 1, 30)
    alive = np.tile(np.append(1.0, np.full(8, outcome)), (30, 1))
    first = hazards(fit_rule(score, alive, 0), score)[:, 0]
    assert (first < 0.2).all() if outcome else (first > 0.8).all()


def test_one_query_is_enough_to_fit_and_budgets_beyond_the_records_are_left_out() -> None:
    rule = fit_rule(np.array([0.3]), np.array([[1.0, 0.5, 0.4]]), 0)
    assert rule.budgets == (1.0,)
