"""Proves that waves in expectation are what simulated waves spend and win."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.allocate import allocate
from adaqueue.core.curves import curve
from adaqueue.core.marginal import FloatArray
from adaqueue.core.posterior import beta_hazards, marginals, survival
from adaqueue.core.waves import curve_in_waves

B = 30


def believed(means: FloatArray, size: float = 1.5) -> FloatArray:
    return beta_hazards(means * size, (1 - means) * size, B)


def simulated(
    hazards: FloatArray, wins: npt.NDArray[np.bool_], waves: int, total: float
) -> tuple[float, float]:
    """Samples drawn and queries solved, on average: each wave allocated over the queries still unsolved."""
    queries = len(hazards)
    failures = np.zeros(queries, dtype=np.int64)
    solved = np.zeros(queries, dtype=bool)
    spent = 0
    for wave in range(waves):
        units = np.zeros(queries, dtype=np.int64)
        left = round(total * queries) - spent
        delta = marginals(hazards, failures)[~solved]
        units[~solved] = allocate(
            delta, left // (waves - wave), maximum=np.count_nonzero(delta, axis=1)
        ).units
        spent += int(units.sum())
        drawn = (np.arange(B) >= failures[:, None]) & (np.arange(B) < (failures + units)[:, None])
        solved |= (wins & drawn).any(axis=1)
        failures += units
    return spent / queries, float(solved.mean())


@pytest.mark.parametrize(("waves", "total"), [(1, 2.0), (4, 1.0), (4, 4.0), (8, 3.0)])
def test_waves_simulated_on_many_queries_agree_with_the_expectation(waves: int, total: float) -> None:
    rng = np.random.default_rng(3)
    means = rng.beta(0.8, 0.9, 1_500)
    hazards = believed(means)
    chances = rng.beta(means * 1.5, (1 - means) * 1.5)
    runs = [simulated(hazards, rng.random((1_500, B)) < chances[:, None], waves, total) for _ in range(12)]
    samples, success = np.mean(runs, axis=0)
    found = curve_in_waves(hazards, survival(np.tile(chances[:, None], (1, B))), waves, np.array([total]))
    assert found.samples[-1] == pytest.approx(samples, rel=0.01)
    assert found.success[-1] == pytest.approx(success, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1_000), st.floats(0.1, 10), st.integers(1, 12))
def test_waves_never_spend_more_than_their_total(seed: int, total: float, waves: int) -> None:
    hazards = believed(np.random.default_rng(seed).uniform(0.01, 0.99, 20))
    found = curve_in_waves(hazards, survival(hazards), waves, np.array([total]))
    assert found.samples[-1] <= total * (1 + 1e-12)


def test_one_wave_is_the_window_and_more_waves_come_nearer_to_one_at_a_time() -> None:
    hazards = believed(np.linspace(0.01, 0.99, 400))
    alive = survival(hazards)
    window = curve(marginals(hazards, np.zeros(400, dtype=np.int64)), alive, stops=False)
    single = curve(hazards, alive, stops=True)
    reached = [
        curve_in_waves(hazards, alive, waves, np.linspace(0.1, 2, 40)).at(1.0) for waves in (1, 2, 4, 8, 32)
    ]
    assert reached[0] == pytest.approx(window.at(1.0), abs=1e-3)
    assert reached == sorted(reached)
    assert single.at(1.0) - 0.01 < reached[-1] < single.at(1.0) + 1e-3


def test_no_waves_and_shapes_that_do_not_fit_are_refused() -> None:
    hazards = believed(np.array([0.5]))
    with pytest.raises(ValueError, match="waves"):
        curve_in_waves(hazards, survival(hazards), 0, np.array([1.0]))
    with pytest.raises(ValueError, match="column"):
        curve_in_waves(hazards, hazards, 2, np.array([1.0]))
