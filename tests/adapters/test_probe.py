"""Proves that the probe finds the population that made the counts, and that no other weights pass for it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from scipy.stats import betabinom, binom

from adaqueue.adapters.probe import LARGEST_LOG, MlpProbe, fit, from_bytes, loss
from adaqueue.errors import FingerprintError
from tests.models import one_thread  # noqa: F401 - used by every test here

SIZE, SAMPLES = 6, 24


def population(alpha: NDArray[np.float64], beta: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Success counts of queries, each with its own chance drawn from its own Beta."""
    rng = np.random.default_rng(seed)
    counts: NDArray[np.int64] = rng.binomial(SAMPLES, rng.beta(alpha, beta))
    return counts


def states(queries: int, seed: int, size: int = SIZE) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(queries, size)).astype(np.float32)


def test_a_population_that_is_one_beta_is_found() -> None:
    ones = np.ones(1_500)
    probe = fit(states(1_500, 0), population(2 * ones, 3 * ones, 1), SAMPLES, seed=0)
    said = probe.predict(states(300, 2))
    assert np.median(said[:, 0] / said.sum(axis=1)) == pytest.approx(0.4, abs=0.03)
    assert np.median(said.sum(axis=1)) == pytest.approx(5.0, rel=0.3)


def test_a_population_that_the_state_tells_apart_is_found() -> None:
    x = states(2_000, 3)
    alpha, beta = np.exp(1 + 0.8 * x[:, 0].astype(np.float64)), np.exp(1 - 0.8 * x[:, 1].astype(np.float64))
    counts = population(alpha, beta, 4)
    said = fit(x[:1_500], counts[:1_500], SAMPLES, seed=0).predict(x[1_500:])
    truth = (alpha / (alpha + beta))[1_500:]
    error = np.abs(said[:, 0] / said.sum(axis=1) - truth)
    assert error.mean() < 0.05
    assert error.mean() < 0.3 * np.abs(truth.mean() - truth).mean()


def test_a_feature_that_never_varies_does_no_harm() -> None:
    x = states(200, 5)
    x[:, 0] = 7.0
    said = fit(x, population(np.ones(200), np.ones(200), 6), SAMPLES, seed=0).predict(x)
    assert np.isfinite(said).all()


def test_the_loss_is_the_likelihood_of_the_counts() -> None:
    beta = torch.tensor([[0.5, 2.0], [3.0, 0.25], [1.0, 1.0]], dtype=torch.float64)
    counts = np.array([0, 5, 2])
    expected = np.mean(
        [
            binom.logpmf(count, 5, 0.5) + 5 * np.log(2) - betabinom.logpmf(count, 5, a, b)
            for (a, b), count in zip(beta.tolist(), counts, strict=True)
        ]
    )
    assert float(loss(beta, torch.from_numpy(counts).double(), 5)) == pytest.approx(expected)


def test_the_same_seed_gives_the_same_probe_and_leaves_the_worlds_chance_alone() -> None:
    x, counts = states(60, 7), population(np.ones(60), np.ones(60), 8)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = fit(x, counts, SAMPLES, seed=1)
    assert torch.equal(torch.rand(1), expected)
    assert fit(x, counts, SAMPLES, seed=1).to_bytes() == first.to_bytes()
    assert fit(x, counts, SAMPLES, seed=2).to_bytes() != first.to_bytes()


def test_too_few_queries_are_refused_rather_than_not_learned_from() -> None:
    with pytest.raises(ValueError, match="a probe needs at least 10 queries, not 9"):
        fit(states(9, 0), population(np.ones(9), np.ones(9), 0), SAMPLES, seed=0)


def test_what_it_says_stays_within_bounds_however_strange_the_state() -> None:
    said = MlpProbe(SIZE).predict(1e20 * states(50, 9))
    assert said.shape == (50, 2)
    assert said.dtype == np.float64
    assert said.min() >= np.exp(-LARGEST_LOG) * 0.999
    assert said.max() <= np.exp(LARGEST_LOG) * 1.001


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def probe() -> MlpProbe:
    return fit(states(40, 10), population(np.ones(40), np.ones(40), 11), SAMPLES, seed=0)


def test_a_probe_read_back_says_the_same(probe: MlpProbe) -> None:
    again = from_bytes(probe.to_bytes(), digest(probe.to_bytes()))
    assert np.array_equal(again.predict(states(9, 12)), probe.predict(states(9, 12)))
    assert not again.training


def test_weights_other_than_those_registered_are_refused(probe: MlpProbe) -> None:
    registered = digest(probe.to_bytes())
    with pytest.raises(FingerprintError, match=f"do not have the digest that was registered, {registered}"):
        from_bytes(MlpProbe(SIZE).to_bytes(), registered)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_weights_that_were_cut_are_refused(probe: MlpProbe, keep: int) -> None:
    cut = probe.to_bytes()[:keep]
    with pytest.raises(FingerprintError, match="hold no probe"):
        from_bytes(cut, digest(cut))


FOREIGN = {
    "no safetensors": b"PK\x03\x04 a pickle, perhaps",
    "other tensors": save({"weight": torch.zeros(3)}),
    "no shape": save({"mean": torch.tensor(1.0), "first.bias": torch.zeros(3)}),
    "other shapes": save({**MlpProbe(SIZE).state_dict(), "second.weight": torch.zeros(2, 5)}),
    "a tensor too many": save({**MlpProbe(SIZE).state_dict(), "third.weight": torch.zeros(2)}),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_weights_of_something_else_are_refused(kind: str) -> None:
    with pytest.raises(FingerprintError, match="hold no probe"):
        from_bytes(FOREIGN[kind], digest(FOREIGN[kind]))


def test_features_of_another_size_are_refused_with_both_sizes(probe: MlpProbe) -> None:
    with pytest.raises(FingerprintError, match="the probe reads 6 features, not 7"):
        probe.predict(states(2, 0, size=7))
