"""Proves the figures of live suites: a probe that knows saves samples, and shares have honest intervals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.live_figures import judged, what_became, wilson
from adaqueue.core.records import Answer, Result
from adaqueue.core.trial import Contestant

DRAWS = 8
RATES = np.repeat([0.02, 0.3, 0.9], 60)


def drawn() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.random.default_rng(1).binomial(DRAWS, RATES).astype(np.int64)


def word(rates: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Contestant:
    return Contestant(Beliefs.of(rates * 20, (1 - rates) * 20), None)


def test_a_probe_that_knows_needs_fewer_samples_than_one_that_has_it_the_wrong_way_round() -> None:
    groups = np.arange(len(RATES))
    good = judged(drawn(), DRAWS, groups, (1, 2), word(RATES))
    bad = judged(drawn(), DRAWS, groups, (1, 2), word(1 - RATES))
    assert good["equal_reward_budget"]["sequential"]["1"] < 0.9
    assert bad["equal_reward_budget"]["sequential"]["1"] > 1.1
    assert good["predictor"]["loss_low"] < good["predictor"]["loss"] < good["predictor"]["loss_high"]
    assert good["predictor"]["ece"] < 0.1 < bad["predictor"]["ece"]
    assert good["policies"]["uniform"] == bad["policies"]["uniform"]
    assert sum(one["queries"] for one in good["calibration"]) == len(RATES)


def test_without_a_probe_there_is_no_word_of_it() -> None:
    found = judged(drawn(), DRAWS, np.arange(len(RATES)), (2,), None)
    assert "predictor" not in found
    assert set(found["policies"]) == {"uniform", "uniform_early_stop", "oracle", "sequential_oracle"}


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_a_probe_that_is_sure_and_wrong_has_figures_that_are_numbers(sure: float) -> None:
    least = np.full(len(RATES), 1e-300)
    told = Contestant(Beliefs.of(*((least, 1 + least) if sure == 0.0 else (1 + least, least))), None)
    assert told.beliefs.success == pytest.approx(sure, abs=1e-299)
    found = judged(drawn(), DRAWS, np.arange(len(RATES)), (1, 2), told)
    assert json.loads(json.dumps(found, allow_nan=False))["predictor"]["loss"] > 1
    assert np.isfinite(found["each"]["loss"]).all()


def test_what_each_query_came_to_is_kept_in_its_place() -> None:
    found = judged(drawn(), DRAWS, np.arange(len(RATES)), (1, 2), word(RATES))
    assert found["each"]["successes"] == drawn().tolist()
    assert np.mean(found["each"]["loss"]) == pytest.approx(found["predictor"]["loss"], abs=1e-5)


def result(name: str, verified: bool | None, samples: int = 2, reward: float | None = None) -> Result:
    if verified is None:
        return Result(name, "", "expired", None, None)
    reward = float(verified) if reward is None else reward
    answer = Answer(name, "t", reward, verified, samples, samples, samples == 0)
    return Result(name, "", "answered", answer, None)


def test_what_was_not_answered_counts_as_not_solved() -> None:
    results = [result("a", True), result("b", False, 4), result("c", None), result("d", False, 0)]
    found = what_became(results, "dcba", is_real=False)
    assert found["each"] == [0, 0, 0, 1]
    assert (found["success"], found["failures"], found["abstained"]) == (0.25, 0.25, 0.25)
    assert found["samples"] == 1.5
    assert found["samples_low"] < 1.5 < found["samples_high"]


def test_a_real_reward_has_its_interval_and_each_query_its_own() -> None:
    results = [result("a", False, reward=-2.5), result("b", False, reward=0.5), result("c", None)]
    found = what_became(results, "bca", is_real=True)
    assert (found["success"], found["reward"], found["each"]) == (0, -1.0, [0.5, None, -2.5])
    assert found["reward_low"] == pytest.approx(-1 - 1.96 * 1.5 / 2**0.5)
    assert found["reward_high"] == pytest.approx(-1 + 1.96 * 1.5 / 2**0.5)


def test_nothing_answered_has_no_reward() -> None:
    found = what_became([result("a", None)], "a", is_real=True)
    assert (found["reward"], found["reward_low"], found["each"]) == (None, None, [None])


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_intervals_are_those_of_wilson(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-4)
