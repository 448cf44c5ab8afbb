"""Proves that the expected improvement is what sampling from the stated belief gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from adaqueue.core.improvement import (
    MOST_QUERIES,
    MOST_VALUES,
    Population,
    expected_improvement,
    fit,
    improvement_after,
    mean_excess,
)

MODEST = settings(max_examples=60, deadline=None)
REWARDS = st.floats(-10, 10).map(lambda reward: round(reward, 3))
QUERIES = st.lists(st.lists(REWARDS, min_size=1, max_size=6), min_size=1, max_size=8)


def worth(population: Population, own: list[float]) -> float:
    """Expected improvement after a query's own samples."""
    best, mean = np.array([max(own)]), np.array([np.mean(own)])
    return float(expected_improvement(population, np.array([len(own)]), best, mean)[0])


@pytest.mark.parametrize("own", [[2.0], [0.5, -1.0], [1.0, 4.0, 1.5, 1.0]])
def test_the_expectation_is_the_mean_of_simulated_improvements(own: list[float]) -> None:
    rng = np.random.default_rng(1)
    population = fit((rng.normal(1, 1.5, (40, 1)) + rng.gamma(2.0, 1.0, (40, 9))).tolist())
    rewards = np.array(population.queries)
    error_of_mean = np.sqrt(population.within / len(own))
    likelihood = norm.pdf(np.mean(own), rewards.mean(axis=1), error_of_mean)
    query = rng.choice(40, 200_000, p=likelihood / likelihood.sum())
    improved = np.maximum(rewards[query, rng.integers(9, size=query.size)] - max(own), 0)
    assert abs(worth(population, own) - improved.mean()) < 5 * improved.std() / np.sqrt(improved.size)


@pytest.mark.parametrize("own", [[0.0], [1.0, 3.0], [-4.0, -3.0, -5.0], [5.0, 5.5, 6.0, 7.0]])
def test_on_normal_rewards_it_is_what_the_normal_posterior_expects(own: list[float]) -> None:
    rng = np.random.default_rng(2)
    population = fit((rng.normal(0, 3, (4000, 1)) + rng.normal(0, 2, (4000, 40))).tolist())
    precision = 1 / 9 + len(own) / 4
    centre, deviation = sum(own) / 4 / precision, np.sqrt(4 + 1 / precision)
    z = (max(own) - centre) / deviation
    exact = deviation * (norm.pdf(z) - z * norm.sf(z))
    assert worth(population, own) == pytest.approx(exact, rel=0.2, abs=0.01)  # few known queries are near


@MODEST
@given(QUERIES, st.lists(REWARDS, min_size=2, max_size=20), st.integers(1, 9), REWARDS)
def test_it_is_never_negative_and_falls_as_the_best_rises(
    queries: list[list[float]], best: list[float], drawn: int, mean: float
) -> None:
    rising = np.sort(best)
    counts = np.full(len(rising), drawn)
    found = expected_improvement(fit(queries), counts, rising, np.full(len(rising), mean))
    assert (found >= 0).all()
    assert (np.diff(found) <= 1e-12).all()


@MODEST
@given(QUERIES, st.lists(REWARDS, min_size=1, max_size=5), st.floats(-100, 100), st.floats(0.01, 100))
def test_rewards_in_another_unit_give_the_same_improvement_in_that_unit(
    queries: list[list[float]], own: list[float], shift: float, scale: float
) -> None:
    other = fit([[shift + scale * reward for reward in query] for query in queries])
    found = worth(other, [shift + scale * reward for reward in own])
    assert found == pytest.approx(scale * worth(fit(queries), own), rel=1e-6, abs=1e-6 * scale + 1e-9)


@MODEST
@given(QUERIES, REWARDS, st.integers(1, 9))
def test_nothing_is_expected_beyond_all_rewards_that_are_known(
    queries: list[list[float]], mean: float, drawn: int
) -> None:
    population = fit(queries)
    farthest = np.array([max(max(query) for query in population.queries)])
    assert expected_improvement(population, np.array([drawn]), farthest, np.array([mean])).tolist() == [0.0]


@MODEST
@given(QUERIES, st.integers(0, 2**32 - 1))
def test_neither_the_sequence_of_queries_nor_that_of_rewards_matters(
    queries: list[list[float]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shuffled = [list(rng.permutation(queries[place])) for place in rng.permutation(len(queries))]
    for own in ([0.0], [3.0, -1.0]):
        assert worth(fit(shuffled), own) == pytest.approx(worth(fit(queries), own), rel=1e-6, abs=1e-8)


@MODEST
@given(QUERIES)
def test_the_same_rewards_give_the_same_population_to_the_last_bit(queries: list[list[float]]) -> None:
    assert fit(queries) == fit([list(query) for query in queries])


def test_a_query_without_samples_comes_first_whatever_else_is_said_of_it() -> None:
    population = fit([[1.0, 2.0], [3.0, 5.0]])
    unknown = np.array([-np.inf, 4.0, np.nan])
    found = expected_improvement(population, np.array([0, 2, 0]), unknown, unknown)
    assert found[[0, 2]].tolist() == [np.inf, np.inf]
    assert np.isfinite(found[1])


def test_no_queries_are_worth_nothing() -> None:
    none = np.zeros(0)
    assert expected_improvement(fit([[1.0]]), np.zeros(0, dtype=np.int64), none, none).shape == (0,)


def test_after_equal_bests_the_query_with_the_better_mean_is_worth_more() -> None:
    population = fit([[1.0, 2.0, 3.0], [5.0, 6.0, 7.0], [8.0, 9.0, 10.0]])
    assert worth(population, [6.0, 6.0]) > worth(population, [6.0, 1.0])


def test_variances_are_unbiased_with_different_numbers_of_samples() -> None:
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 6, 20_000)
    found = fit([list(rng.normal(rng.normal(5, 1.5), 2.0, count)) for count in counts])
    assert found.mean == pytest.approx(5, abs=0.06)
    assert found.within == pytest.approx(4, rel=0.05)
    assert found.between == pytest.approx(2.25, rel=0.08)


def test_known_means_vary_as_true_ones_and_rewards_about_them_as_in_a_query() -> None:
    rng = np.random.default_rng(6)
    found = fit((rng.normal(5, 1.5, (256, 1)) + rng.normal(0, 2, (256, 4))).tolist())
    rewards = np.array(found.queries)
    assert rewards.mean(axis=1).var(ddof=1) == pytest.approx(found.between)
    assert rewards.var(axis=1).mean() == pytest.approx(found.within)


def test_each_query_weighs_the_same_however_often_it_was_drawn() -> None:
    found = fit([[0.0] * 30, [4.0]])
    assert found.mean == 2.0
    assert [np.mean(query) for query in found.queries] == [0.0, 4.0]


def test_of_queries_with_one_sample_all_spread_is_taken_to_be_within_them() -> None:
    found = fit([[1.0], [3.0], [8.0]])
    assert (found.mean, found.between) == (4.0, 0.0)
    assert found.within == pytest.approx(13.0)
    for query in found.queries:
        assert np.mean(query) == pytest.approx(4.0)
        assert np.var(query) == pytest.approx(13.0)
    assert worth(found, [4.0, 4.0]) == pytest.approx(worth(found, [4.0, -50.0]))


def test_a_query_with_one_sample_borrows_the_spread_of_the_others() -> None:
    found = fit([[1.0, 3.0], [11.0]])
    assert found.within == 2.0
    assert found.mean == 6.5
    assert np.ptp(found.queries[0]) == pytest.approx(2 * np.sqrt(2))
    assert np.ptp(found.queries[1]) == pytest.approx(2 * np.sqrt(2))


def test_of_one_query_nothing_is_known_between_queries() -> None:
    assert fit([[1.0, 3.0]]).between == 0.0


@pytest.mark.parametrize("queries", [[[0.1]], [[0.1] * 3, [0.1] * 7], [[0.1]] * 9, [[1e9 + 0.1] * 3] * 300])
def test_where_all_rewards_are_equal_no_further_sample_is_worth_anything(queries: list[list[float]]) -> None:
    found = fit(queries)
    assert (found.mean, found.within, found.between) == (queries[0][0], 0.0, 0.0)
    assert worth(found, [queries[0][0]]) == 0.0
    assert improvement_after(found, 4) == 0.0


def test_a_query_like_one_that_always_gets_the_same_reward_is_worth_no_further_sample() -> None:
    found = fit([[1.0, 1.0], [5.0, 5.0]])
    assert (found.within, found.between) == (0.0, 8.0)
    assert worth(found, [1.0]) == worth(found, [5.0]) == 0.0


def test_large_records_are_kept_as_few_values_that_say_almost_the_same() -> None:
    rewards = np.random.default_rng(4).gamma(1.0, 2.0, (1, 900))
    found = fit(np.repeat(rewards, 300, axis=0).tolist())
    assert (len(found.queries), len(found.queries[0])) == (MOST_QUERIES, MOST_VALUES)
    assert np.mean(found.queries) == pytest.approx(rewards.mean())
    for best in np.quantile(rewards, [0.0, 0.3, 0.9, 0.999]):
        exact = np.maximum(rewards - best, 0).mean()
        assert worth(found, [float(best)]) == pytest.approx(exact, abs=np.ptp(rewards) / MOST_VALUES / 4)


def test_queries_without_rewards_are_passed_over() -> None:
    assert fit([[], [1.0, 2.0], []]) == fit([[1.0, 2.0]])


@pytest.mark.parametrize("queries", [[], [[]], [[1.0, float("nan")]], [[float("inf")]]])
def test_what_shows_no_population_is_refused(queries: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="at least one reward, and finite ones"):
        fit(queries)


def test_arguments_out_of_range_are_refused() -> None:
    population, one, two = fit([[1.0, 2.0]]), np.ones(1), np.ones(2)
    with pytest.raises(ValueError, match="one shape"):
        expected_improvement(population, np.array([1]), one, two)
    with pytest.raises(ValueError, match="at least 0"):
        expected_improvement(population, np.array([-1]), one, one)
    with pytest.raises(ValueError, match="finite where something is drawn"):
        expected_improvement(population, np.array([1]), one * np.nan, one)
    with pytest.raises(ValueError, match="average_budget"):
        improvement_after(population, 0)


@pytest.mark.parametrize("average_budget", [1.5, 4, 10])
def test_at_the_opening_price_typical_queries_draw_the_average_budget(average_budget: float) -> None:
    rng = np.random.default_rng(5)
    population = fit(rng.normal(3, 2, (100, 30)).tolist())
    pool = np.sort(np.concatenate(population.queries))
    price = improvement_after(population, average_budget)
    best = rng.choice(pool, 5000)
    spent, buying = len(best), np.ones(len(best), dtype=bool)
    while buying.any():
        buying = mean_excess(pool, best) >= price
        spent += int(buying.sum())
        best = np.where(buying, np.maximum(best, rng.choice(pool, len(best))), best)
    assert spent / len(best) == pytest.approx(average_budget, rel=0.06)


@pytest.mark.parametrize(
    ("within", "queries"), [(float("nan"), ((1.0,),)), (-1.0, ((1.0,),)), (1.0, ()), (1.0, ((2.0, 1.0),))]
)
def test_what_is_no_population_is_refused(within: float, queries: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(ValueError, match="a population needs"):
        Population(0.0, within, 0.0, queries)
