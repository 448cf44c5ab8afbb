"""Proves that the twin has the paper's losses, an exact probe, and the story that the paper tells."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.special import entr, logit

from adaqueue.core.marginal import FloatArray
from adaqueue.core.twin import (
    POPULATIONS,
    Measured,
    alternatives,
    draw,
    measure,
    probe_loss,
    probe_noise,
    with_zero,
)

REFERENCE = {
    "code": {
        "beta_window": (73, 80, 86, 88),
        "oracle": (35, 30, 23, 18),
        "uniform_early_stop": (76, 69, 60, 56),
        "sequential": (38, 38, 40, 44),
    },
    "math": {
        "beta_window": (87, 83, 79, 73),
        "oracle": (62, 54, 44, 36),
        "uniform_early_stop": (57, 44, 35, 27),
        "sequential": (45, 35, 28, 23),
        "sequential_4_waves": (48, 43, 36, 30),
        "sequential_8_waves": (47, 36, 30, 27),
    },
}
"""Shares of uniform's samples at B = 4, 8, 16, 32, from an independent simulation."""

WINDOW = {"code": (84, 123, 206, 174), "math": (89, 93, 110, 93)}
DOMAINS = pytest.mark.parametrize("domain", ["code", "math"])


@cache
def runs(domain: str) -> list[Measured]:
    return [measure(POPULATIONS[domain], seed) for seed in range(2)]


def shares(domain: str, policy: str) -> FloatArray:
    rows = [[run.equal_reward_budget[policy][b] for b in (4, 8, 16, 32)] for run in runs(domain)]
    means: FloatArray = 100 * np.mean(np.array(rows, dtype=np.float64), axis=0)
    return means


@pytest.mark.parametrize(
    ("domain", "mean", "average", "optimal"), [("code", 0.27, 0.58, 0.20), ("math", 0.46, 0.69, 0.34)]
)
def test_populations_have_the_losses_of_the_paper(
    domain: str, mean: float, average: float, optimal: float
) -> None:
    population = POPULATIONS[domain]
    assert population.mean == pytest.approx(mean, abs=0.005)
    assert population.average_loss == pytest.approx(average, abs=0.005)
    assert population.optimal_loss == pytest.approx(optimal, abs=0.005)


@DOMAINS
def test_drawn_queries_have_the_losses_in_closed_form_and_the_paper_s_probe(domain: str) -> None:
    population = POPULATIONS[domain]
    drawn = draw(population, 40_000, np.random.default_rng(1))
    own = entr(drawn.success) + entr(1 - drawn.success)
    lost = -drawn.success * np.log(drawn.predicted) - (1 - drawn.success) * np.log1p(-drawn.predicted)
    assert (drawn.success == 0).mean() == pytest.approx(population.zero, abs=0.01)
    assert own.mean() == pytest.approx(population.optimal_loss, abs=0.01)
    assert lost.mean() == pytest.approx(population.loss, abs=0.01)
    assert probe_loss(population, probe_noise(population)) == pytest.approx(population.loss, abs=1e-6)


@DOMAINS
def test_a_louder_signal_loses_more_between_optimal_and_average(domain: str) -> None:
    population = POPULATIONS[domain]
    losses = [probe_loss(population, sigma) for sigma in (0.1, 0.5, 1.0, 2.0, 4.0, 16.0)]
    assert population.optimal_loss < losses[0]
    assert losses == sorted(losses)
    assert losses[-1] < population.average_loss


@DOMAINS
def test_hazards_are_the_shares_that_succeed_next_among_those_who_failed_so_far(domain: str) -> None:
    population = POPULATIONS[domain]
    drawn = draw(population, 40_000, np.random.default_rng(2))
    for failures in (0, 1, 4, 16):
        alive = drawn.survival[:, failures]
        for part in np.array_split(np.argsort(drawn.predicted), 5):
            happened = (alive * drawn.success)[part].sum()
            expected = (alive * drawn.hazards[:, failures])[part].sum()
            assert happened == pytest.approx(expected, abs=4 * np.sqrt(expected) + 1)


@DOMAINS
def test_the_posterior_is_that_of_queries_with_nearly_the_same_signal(domain: str) -> None:
    """Neither quadrature nor closed form: many queries, their signals drawn, those near one signal kept."""
    population = POPULATIONS[domain]
    rng = np.random.default_rng(5)
    able = rng.random(1_000_000) >= population.zero
    success = np.where(able, rng.beta(population.alpha, population.beta, able.size), 0.0)
    sigma = probe_noise(population)
    seen = logit(np.clip(success, population.clip, 1 - population.clip))
    signals = seen + sigma * rng.standard_normal(able.size)
    drawn = draw(population, 4_000, np.random.default_rng(6))
    for wanted in (0.1, 0.4, 0.8):
        query = int(np.argmin(np.abs(drawn.predicted - wanted)))
        # the calibrated mean rises with the signal, so the signals of its neighbours are found by rank
        rank = float(np.mean(drawn.predicted < drawn.predicted[query]))
        near = success[np.abs(signals - np.quantile(signals, rank)) < 0.1]
        assert near.mean() == pytest.approx(drawn.predicted[query], abs=0.04)
        alpha, beta = drawn.alpha[query], drawn.beta[query]
        assert alpha / (alpha + beta) == pytest.approx(drawn.predicted[query])
        variance = alpha * beta / ((alpha + beta) ** 2 * (alpha + beta + 1))
        assert near.var() == pytest.approx(variance, abs=0.02)


@DOMAINS
def test_hazards_never_rise(domain: str) -> None:
    drawn = draw(POPULATIONS[domain], 2_000, np.random.default_rng(0))
    assert (np.diff(drawn.hazards) <= 0).all()
    assert ((drawn.hazards >= 0) & (drawn.hazards <= 1)).all()
    np.testing.assert_allclose(drawn.hazards[:, 0], drawn.predicted)


def test_a_prediction_of_one_percent_mostly_means_none_and_seldom_much() -> None:
    drawn = draw(POPULATIONS["code"], 60_000, np.random.default_rng(0))
    success = drawn.success[(drawn.predicted > 0.008) & (drawn.predicted < 0.012)]
    assert success.mean() == pytest.approx(0.01, abs=0.002)
    assert (success == 0).mean() == pytest.approx(0.9, abs=0.03)
    assert success[success > 0.1].sum() / success.sum() == pytest.approx(0.8, abs=0.1)


def test_the_same_seed_gives_the_same_figures_and_another_seed_others() -> None:
    first, again, other = (measure(POPULATIONS["code"], seed, queries=500) for seed in (4, 4, 5))
    assert first == again
    assert first != other


@DOMAINS
def test_policies_need_what_an_independent_simulation_found(domain: str) -> None:
    for policy, expected in REFERENCE[domain].items():
        np.testing.assert_allclose(shares(domain, policy), expected, atol=6, err_msg=policy)
    np.testing.assert_allclose(shares(domain, "window"), WINDOW[domain], rtol=0.15)


def test_on_code_the_window_loses_to_uniform_at_large_budgets_and_bins_never_do() -> None:
    assert shares("code", "window")[2] > 150
    for run in runs("code"):
        assert all(share is not None and share <= 1 for share in run.equal_reward_budget["bins"].values())


@DOMAINS
def test_sequential_needs_less_than_half_and_least_of_all_that_know_as_much(domain: str) -> None:
    assert (shares(domain, "sequential") <= {"code": 48, "math": 46}[domain]).all()
    for run in runs(domain):
        for budget in (2, 4, 8, 16, 32):
            reached = {name: row[budget] for name, row in run.reward.items() if "oracle" not in name}
            assert max(reached, key=reached.__getitem__).startswith("sequential")
            assert run.reward["sequential_oracle"][budget] >= run.reward["oracle"][budget] - 1e-12


@DOMAINS
def test_alternatives_keep_the_losses_and_the_probe_s(domain: str) -> None:
    population = POPULATIONS[domain]
    others = alternatives(population)
    assert len(others) == 4
    for other in others.values():
        assert other != population
        assert other.mean == pytest.approx(population.mean)
        assert other.optimal_loss == pytest.approx(population.optimal_loss)
        assert probe_loss(other, probe_noise(other)) == pytest.approx(population.loss, abs=1e-6)


def test_a_share_of_hopeless_queries_that_the_losses_forbid_is_refused() -> None:
    with pytest.raises(ValueError, match="zeros"):
        with_zero(POPULATIONS["code"], 0.8)
