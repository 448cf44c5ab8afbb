"""Proves that what is said of a verifier that errs is what enumeration and simulation come to."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from adaqueue.core.curves import recorded_survival
from adaqueue.core.noisy_verifier import judged


def enumerated(
    successes: int, samples: int, draws: int, f: float, r: float
) -> tuple[list[float], list[float]]:
    """Chance that the first k are all rejected, and that draw j is the first accepted and right."""
    still, right = np.zeros(draws + 1), np.zeros(draws)
    orders = list(permutations([True] * successes + [False] * (samples - successes)))
    for order, accepts in product(orders, product((True, False), repeat=samples)):
        chances = [(1 - r if truth else f) for truth in order]
        chance = np.prod([own if said else 1 - own for own, said in zip(chances, accepts, strict=True)])
        first = next((place for place, said in enumerate(accepts) if said), samples)
        still[: min(first, draws) + 1] += chance / len(orders)
        if first < draws and order[first]:
            right[first] += chance / len(orders)
    return still.tolist(), right.tolist()


@pytest.mark.parametrize(("f", "r"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.2), (0.05, 0.3)])
@pytest.mark.parametrize(("successes", "samples", "draws"), [(0, 3, 3), (2, 5, 3), (3, 4, 4), (4, 4, 2)])
def test_it_is_what_all_orders_and_all_errors_come_to(
    successes: int, samples: int, draws: int, f: float, r: float
) -> None:
    found = judged(np.array([successes]), np.array([samples]), draws, f, r)
    still, right = enumerated(successes, samples, draws, f, r)
    assert found.open[0] == pytest.approx(still)
    assert found.right[0] == pytest.approx(right)


def test_without_errors_it_is_the_recorded_survival_and_all_that_is_accepted_is_right() -> None:
    successes, samples = np.arange(129), np.full(129, 128)
    found = judged(successes, samples, 128, 0.0, 0.0)
    assert found.open == pytest.approx(recorded_survival(successes, samples, 128), abs=1e-12)
    assert found.right == pytest.approx(found.accepted, abs=1e-12)


def test_nothing_is_accepted_twice_and_no_more_is_right_than_accepted() -> None:
    found = judged(np.array([0, 7, 100, 1024]), np.full(4, 1024), 512, 0.01, 0.2)
    assert (found.right <= found.accepted + 1e-12).all()
    assert found.accepted.sum(axis=1) == pytest.approx(1 - found.open[:, -1])
    assert found.right[0] == pytest.approx(0)
    assert found.open[3] == pytest.approx(0.2 ** np.arange(513.0), abs=1e-12)


def test_a_simulated_verifier_agrees() -> None:
    rng, trials = np.random.default_rng(0), 40_000
    right = rng.permuted(np.tile(np.arange(20) < 6, (trials, 1)), axis=1)[:, :8]
    accepted = rng.random(right.shape) < np.where(right, 0.8, 0.1)
    first = np.where(accepted.any(axis=1), accepted.argmax(axis=1), 8)
    answered = np.take_along_axis(right, np.minimum(first, 7)[:, None], axis=1)[:, 0] & (first < 8)
    found = judged(np.array([6]), np.array([20]), 8, 0.1, 0.2)
    assert found.right[0].sum() == pytest.approx(answered.mean(), abs=0.01)
    assert found.open[0, -1] == pytest.approx((first == 8).mean(), abs=0.01)


@pytest.mark.parametrize("rates", [(1.0, 0.0), (0.0, 1.0), (-0.1, 0.0)])
def test_rates_out_of_range_are_refused(rates: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="rates of errors"):
        judged(np.array([1]), np.array([2]), 2, *rates)
