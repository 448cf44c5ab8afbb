"""Proves that each head finds the population behind the counts, and refuses counts that would mislead it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from adaqueue.adapters.probes.fitting import FOLDS, fit_probe, folds_of
from adaqueue.adapters.probes.heads import HEADS
from adaqueue.adapters.probes.models import NetworkModel
from adaqueue.core.marginal import FloatArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.twin import POPULATIONS, Population, probe_noise
from adaqueue.errors import BadOutcomesError, SettingsError
from tests.models import one_thread  # noqa: F401 - used by every test here
from tests.outcomes import SAMPLES, outcomes, population

FITTED = [head for head in HEADS if head not in ("lora", "preference")]


def test_a_population_that_is_one_beta_is_found() -> None:
    ones = np.ones(800)
    data = population(2 * ones, 3 * ones, 1)
    for head in ("beta", "constant"):
        said = fit_probe(head, data, seed=0).predict(data.states, data.prompts)
        assert np.median(said.success) == pytest.approx(0.4, abs=0.03)
        assert np.median(said.alpha + said.beta) == pytest.approx(5.0, rel=0.3)


@pytest.mark.parametrize("head", ["beta", "beta_zero", "lambda", "marginal"])
def test_a_population_that_the_state_tells_apart_is_found(head: str) -> None:
    data, truth = told_apart(800, 4)
    kept, fresh = np.arange(500), np.arange(500, 800)
    test = data.take(fresh)
    said = fit_probe(head, data.take(kept), seed=0).predict(test.states, ())
    error = np.abs(said.success - truth[fresh]).mean()
    assert error < 0.35 * np.abs(truth.mean() - truth).mean()


def told_apart(n: int, seed: int) -> tuple[Outcomes, FloatArray]:
    x = outcomes([(0.0,)] * n, seed=seed).states
    assert x is not None
    alpha, beta = np.exp(1 + 0.8 * x[:, 0].astype(np.float64)), np.exp(1 - 0.8 * x[:, 1].astype(np.float64))
    data = population(alpha, beta, seed + 1)
    return replace(data, states=x), alpha / (alpha + beta)


def test_the_hopeless_share_is_found_by_the_head_that_knows_of_one() -> None:
    rng = np.random.default_rng(2)
    success = np.where(rng.random(800) < 0.4, 0.0, rng.beta(6, 6, 800))
    data = outcomes([tuple(map(float, rng.random(SAMPLES) < chance)) for chance in success])
    said = fit_probe("beta_zero", data, seed=0).predict(data.states, ())
    assert np.median(said.zero) == pytest.approx(0.4, abs=0.06)
    assert np.median(said.alpha / (said.alpha + said.beta)) == pytest.approx(0.5, abs=0.04)


def test_words_and_lengths_tell_what_they_can() -> None:
    rng = np.random.default_rng(3)
    hard = rng.random(300) < 0.5
    prompts = [f"prove {'x ' * 9}{i}" if each else f"add x {i}" for i, each in enumerate(hard)]
    success = np.where(hard, 0.15, 0.85)
    data = outcomes([tuple(map(float, rng.random(SAMPLES) < chance)) for chance in success], prompts)
    for head in ("length", "tfidf", "tfidf_logistic"):
        said = fit_probe(head, data, seed=0).predict(None, data.prompts).success
        assert np.abs(said - success).mean() < 0.06, head


def test_marginal_rewards_of_real_rewards_are_regressed_and_never_rise() -> None:
    rng = np.random.default_rng(4)
    data = outcomes([tuple(rng.normal(3.0, 1.0, 4)) for _ in range(200)])
    model = fit_probe("marginal", data, seed=0).model
    assert isinstance(model, NetworkModel)
    assert data.states is not None
    rows = model.marginals(data.states)
    assert rows.shape == (200, 4)
    assert (np.diff(rows, axis=1) <= 1e-9).all()
    # the best of two normal draws is expected 1/sqrt(pi) above their mean
    assert rows.mean(axis=0)[:2] == pytest.approx([3.0, 1 / np.sqrt(np.pi)], abs=0.2)


def test_tokens_are_foretold_where_they_were_known_and_else_not() -> None:
    data, _ = told_apart(400, 5)
    assert data.states is not None
    truth = np.exp(4 + 0.5 * data.states[:, 2].astype(np.float64))
    known = replace(data, tokens=np.where(np.arange(400) % 2, truth, np.nan))
    said = fit_probe("beta", known, seed=0).predict(data.states, ()).tokens
    assert np.abs(np.log(said / truth)).mean() < 0.2
    assert np.isnan(fit_probe("beta", data, seed=0).predict(data.states, ()).tokens).all()


@pytest.mark.parametrize("name", POPULATIONS)
def test_logs_that_stop_at_a_success_give_the_true_mean_by_likelihood_and_not_by_ratios(name: str) -> None:
    truth, data = stopped_logs(POPULATIONS[name], 4_000, seed=0)
    said = fit_probe("beta", data, seed=0).predict(data.states, ()).success.mean()
    assert said == pytest.approx(truth, abs=0.01)
    assert data.successes.sum() / data.samples.sum() < truth - 0.05
    assert (data.successes / data.samples).mean() > truth + 0.03


def stopped_logs(population: Population, n: int, seed: int) -> tuple[float, Outcomes]:
    """The twin's queries, their probe's signal as their state, budgets that grow with it."""
    rng = np.random.default_rng(seed)
    able = rng.random(n) >= population.zero
    success = np.where(able, rng.beta(population.alpha, population.beta, n), 0.0)
    seen = logit(np.clip(success, population.clip, 1 - population.clip))
    signal = seen + probe_noise(population) * rng.standard_normal(n)
    budgets = 1 + rng.binomial(15, 0.1 + 0.8 * np.argsort(np.argsort(signal)) / n)
    draws = [rng.random(budget) < chance for chance, budget in zip(success, budgets, strict=True)]
    rewards = [tuple(map(float, row[: row.argmax() + 1 if row.any() else None])) for row in draws]
    data = outcomes(rewards, stopped=True)
    return float(success.mean()), replace(data, states=signal[:, None].astype(np.float32))


@pytest.mark.parametrize("head", FITTED)
def test_success_rates_of_stopped_logs_train_no_head_that_would_believe_them(head: str) -> None:
    data = outcomes([(0.0, 1.0), (1.0,)] * 20, stopped=True)
    if HEADS[head].needs_full_counts:
        with pytest.raises(
            BadOutcomesError, match=rf"{head}.* trains on success rates, and 40 queries stopped"
        ):
            fit_probe(head, data, seed=0)
    else:
        assert fit_probe(head, data, seed=0).head == head


def test_queries_without_samples_are_left_out() -> None:
    data, _ = told_apart(60, 6)
    bare = replace(data, rewards=tuple(() if i % 3 == 0 else row for i, row in enumerate(data.rewards)))
    probe = fit_probe("beta", bare, seed=0)
    assert probe.held_out is not None
    assert probe.held_out_rows is not None
    assert len(probe.held_out.alpha) == len(probe.held_out_rows) == 40
    assert (probe.held_out_rows % 3 != 0).all()
    assert probe.to_bytes() == fit_probe("beta", bare.take(probe.held_out_rows), seed=0).to_bytes()


def test_near_duplicates_are_held_out_together() -> None:
    data, _ = told_apart(90, 7)
    folds = folds_of(replace(data, groups=np.arange(90) // 3), seed=0)
    assert (folds.reshape(30, 3) == folds[::3, None]).all()
    assert len(np.unique(folds)) == FOLDS


def test_what_was_held_out_is_predicted_worse_than_what_was_trained_on_and_said_so() -> None:
    rng = np.random.default_rng(8)
    data = outcomes([tuple(map(float, rng.random(SAMPLES) < chance)) for chance in rng.random(60)])
    data = replace(data, states=rng.normal(size=(60, 200)).astype(np.float32))
    probe = fit_probe("beta", data, seed=0)
    assert probe.held_out is not None
    held_out = probe.held_out.log_likelihood(data.successes, data.samples).mean()
    assert held_out < probe.predict(data.states, ()).log_likelihood(data.successes, data.samples).mean()


def test_a_feature_that_never_varies_does_no_harm() -> None:
    data, _ = told_apart(100, 9)
    assert data.states is not None
    data.states[:, 0] = 7.0
    said = fit_probe("beta", data, seed=0).predict(1e20 * data.states, ())
    assert np.isfinite([said.alpha, said.beta]).all()


def test_the_same_seed_gives_the_same_probe_and_leaves_the_worlds_chance_alone() -> None:
    data, _ = told_apart(60, 10)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = fit_probe("beta", data, seed=1)
    assert torch.equal(torch.rand(1), expected)
    assert fit_probe("beta", data, seed=1).to_bytes() == first.to_bytes()
    assert fit_probe("beta", data, seed=2).to_bytes() != first.to_bytes()


def test_heads_that_are_not_there_are_refused_with_those_that_are() -> None:
    data, _ = told_apart(20, 11)
    with pytest.raises(SettingsError, match="there is no head 'gamma': choose one of beta, beta_zero"):
        fit_probe("gamma", data, seed=0)
    with pytest.raises(SettingsError, match=r"'lora' learns from more than outcomes: see `lora.fit_lora`"):
        fit_probe("lora", data, seed=0)


def test_too_little_is_refused_rather_than_not_learned_from() -> None:
    data, _ = told_apart(20, 12)
    with pytest.raises(BadOutcomesError, match=r"at least 10 queries .*, not 9 in 9: record more"):
        fit_probe("beta", data.take(np.arange(9)), seed=0)
    with pytest.raises(BadOutcomesError, match="not 20 in 1"):
        fit_probe("beta", replace(data, groups=np.zeros(20, dtype=np.int64)), seed=0)
    with pytest.raises(BadOutcomesError, match="reads hidden states, and the outcomes have none"):
        fit_probe("beta", replace(data, states=None), seed=0)


def test_ten_queries_of_two_groups_suffice() -> None:
    data, _ = told_apart(10, 13)
    probe = fit_probe("beta", replace(data, groups=np.arange(10) % 2), seed=0)
    assert expit(probe.predict(data.states, ()).score).shape == (10,)
