"""Proves that only a better probe is promoted, and that only a real shift is an alarm."""

from __future__ import annotations

import numpy as np
import pytest

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.marginal import FloatArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.trial import Contestant, drift, first_draws, judge

N = 1_500
SIZE = 3.0


def population(seed: int, n: int = N) -> tuple[FloatArray, FloatArray]:
    """The mean that the best probe knows of each query, and the query's own success probability."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(0.05, 0.95, n)
    return mean, rng.beta(SIZE * mean, SIZE * (1 - mean))


def stopped_logs(success: FloatArray, seed: int, longest: int = 6) -> Outcomes:
    """Draws until a success, or as many as a coin says."""
    rng = np.random.default_rng(seed)
    rewards = []
    for chance in success:
        draws = (rng.random(rng.integers(1, longest + 1)) < chance).astype(float).tolist()
        rewards.append(tuple(draws[: draws.index(1.0) + 1] if 1.0 in draws else draws))
    n = len(success)
    unknown = np.full(n, np.nan)
    return Outcomes(
        tuple(map(str, range(n))), ((),) * n, None, tuple(rewards), np.ones(n, bool), np.arange(n), unknown
    )


def saying(mean: FloatArray, size: float = SIZE) -> Contestant:
    return Contestant(Beliefs.of(size * mean, size * (1 - mean)), None)


def blurred(mean: FloatArray, noise: float, seed: int = 9) -> FloatArray:
    """Knows less, and says so: shrunk to the population's mean."""
    logit = np.log(mean / (1 - mean)) + noise * np.random.default_rng(seed).normal(size=len(mean))
    return np.asarray(0.5 + (1 / (1 + np.exp(-logit)) - 0.5) * 0.6)


def test_a_probe_that_knows_more_is_promoted_and_needs_fewer_samples() -> None:
    mean, success = population(0)
    trial = judge(saying(mean), saying(blurred(mean, 1.5)), stopped_logs(success, 1), seed=0)
    assert trial.objections == []
    assert trial.low > 0
    assert trial.samples is not None
    assert trial.samples < 0.97


def test_a_probe_that_knows_less_is_not_promoted() -> None:
    mean, success = population(0)
    trial = judge(saying(blurred(mean, 1.5)), saying(mean), stopped_logs(success, 1), seed=0)
    assert trial.gain < 0
    assert "not significant" in trial.objections[0]
    assert any("of the champion's samples" in objection for objection in trial.objections)


def test_a_gain_by_chance_is_not_promoted() -> None:
    promoted = 0
    for seed in range(40):
        mean, success = population(seed, 300)
        same = saying(blurred(mean, 0.8, seed=seed)), saying(blurred(mean, 0.8, seed=100 + seed))
        promoted += not judge(*same, stopped_logs(success, seed), seed=0).objections
    assert promoted <= 2


def test_a_sharper_probe_that_is_wrong_of_the_level_is_not_promoted() -> None:
    mean, success = population(0)
    off = np.clip(mean + 0.25, 0.01, 0.99)
    trial = judge(saying(off), saying(np.full(N, 0.5)), stopped_logs(success, 1), seed=0)
    assert any("calibration error" in objection for objection in trial.objections)


def test_near_duplicates_count_as_one_witness() -> None:
    mean, success = population(3, 40)
    logs = stopped_logs(success, 1)
    often = np.repeat(np.arange(40), 30)
    crowd = logs.take(often)
    crowd = Outcomes(crowd.ids, crowd.messages, None, crowd.rewards, crowd.stopped, often, crowd.tokens)
    better, worse = saying(mean), saying(blurred(mean, 1.0))
    few = judge(better, worse, logs, seed=0)
    repeated = Contestant(Beliefs.of(SIZE * mean[often], SIZE * (1 - mean[often])), None)
    dull = blurred(mean, 1.0)[often]
    many = judge(repeated, Contestant(Beliefs.of(SIZE * dull, SIZE * (1 - dull)), None), crowd, seed=0)
    assert many.gain == pytest.approx(few.gain)
    assert many.low == pytest.approx(few.low, abs=0.01)
    assert "40 different prompts judge, at least 50 are needed" in many.objections


def test_every_further_challenger_has_to_be_surer() -> None:
    mean, success = population(0)
    logs = stopped_logs(success, 1)
    lows = [
        judge(saying(mean), saying(blurred(mean, 1.5)), logs, seed=0, challengers=n).low for n in (1, 2, 5)
    ]
    assert lows[0] > lows[1] > lows[2]


def test_right_predictions_seldom_alarm_and_a_shift_does() -> None:
    alarms = 0
    for seed in range(100):
        mean, success = population(seed, 400)
        first = first_draws(stopped_logs(success, seed))
        alarms += drift(mean, first).is_alarm
        shifted = drift(np.clip(mean + 0.15, 0, 0.99), first)
        assert shifted.is_alarm
        assert shifted.predicted > shifted.observed
    assert alarms <= 1


def test_the_chance_of_a_disagreement_is_uniform_where_predictions_are_right() -> None:
    chances = []
    for seed in range(300):
        mean, success = population(seed, 400)
        chances.append(drift(mean, first_draws(stopped_logs(success, seed))).chance)
    assert np.mean(chances) == pytest.approx(0.5, abs=0.06)
    assert np.mean(np.array(chances) < 0.05) < 0.1


def test_calibration_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a query that has drawn"):
        drift(np.zeros(0), np.zeros(0))
