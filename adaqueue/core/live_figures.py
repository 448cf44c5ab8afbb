"""What fresh draws of a live system say of the probe in use, and what the system itself reached and spent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from adaqueue.core.curves import Purchases, known_marginals, recorded_survival, round_robin
from adaqueue.core.distribution import of_rates
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.metrics import predictor_quality
from adaqueue.core.predictions import predictions
from adaqueue.core.records import Result
from adaqueue.core.replays import ENDS, SEED, Needed, Reading, Replay, group_weights, needed, reached
from adaqueue.core.trial import Contestant, drift
from adaqueue.core.watched_figures import REWARD

RESAMPLES = 500
Z = 1.96
STOPPING = "uniform_early_stop"
EDGE = 1e-9
"""No probe is believed to be surer than this: a loss, if it is wrong, has to be a number."""


def judged(
    successes: IntArray, draws: int, groups: IntArray, budgets: Sequence[int], word: Contestant | None
) -> dict[str, Any]:
    """Returns what policies would have reached on fresh draws, as `adaqueue evaluate --json` writes it.

    The probe was fitted on other queries, or on earlier draws: none that scores has decided anything.

    Args:
        successes: among each query's draws, shape (n,), n at least 1.
        draws: of every query.
        groups: queries of one number are resampled together, shape (n,).
        budgets: average budgets B, at most `draws`.
        word: what the probe in use says of the queries; None: there is none.

    Returns:
        Besides, `each`: what is compared query by query with other nights, in the order of the queries.
    """
    alive, rates = recorded_survival(successes, draws, draws), successes / draws
    readings = _readings(alive, rates, Replay(1 - alive[:, list(budgets)], groups, budgets), word)
    shares = {
        name: {str(b): needed([own[p]], readings[STOPPING][p]) for p, b in enumerate(budgets)}
        for name, own in readings.items()
    }
    each: dict[str, Sequence[float]] = {"successes": successes.tolist()}
    said: dict[str, Any] = {}
    if word is not None:
        predicted = np.clip(word.beliefs.success, EDGE, 1 - EDGE)
        losses = -(rates * np.log(predicted) + (1 - rates) * np.log1p(-predicted))
        said = _predictor(predicted, losses, successes, draws, group_weights(groups, RESAMPLES, SEED))
        each["loss"] = losses.round(5).tolist()
    return {
        "kind": "binary",
        "queries": len(rates),
        "groups": len(np.unique(groups)),
        "samples": draws,
        "seeds": 1,
        "seed": SEED,
        "policies": _reached(readings, budgets),
        "equal_reward_budget": {
            name: {b: cell.share for b, cell in row.items()} for name, row in shares.items()
        },
        "equal_reward_details": {
            name: {b: _details(cell) for b, cell in row.items()} for name, row in shares.items()
        },
        "distribution": asdict(of_rates(rates)),
        "each": each,
        **said,
    }


def _readings(
    alive: FloatArray, rates: FloatArray, replay: Replay, word: Contestant | None
) -> dict[str, list[Reading]]:
    """Returns every policy at each budget, `sequential` where there is a probe."""
    n, draws = len(rates), alive.shape[1] - 1
    truth = np.repeat(rates[:, None], draws, axis=1)
    readings = {
        "uniform": replay.uniform(),
        STOPPING: replay.same(Purchases.of(round_robin(n, draws), alive, stops=True)),
        "oracle": replay.same(Purchases.of(known_marginals(alive), alive, stops=False)),
        "sequential_oracle": replay.same(Purchases.of(truth, alive, stops=True)),
    }
    if word is not None:
        readings["sequential"] = replay.each(
            lambda budget: Purchases.of(word.hazards(budget, draws), alive, stops=True)
        )
    return readings


def what_became(results: Sequence[Result], ids: Sequence[str], *, is_real: bool) -> dict[str, Any]:
    """Returns what one live run reached and spent.

    Args:
        results: one of each query.
        ids: of all queries, in the order of their file.
        is_real: whether rewards are real numbers: then nothing is verified, and the reward is what counts.

    Returns:
        `success` with its 95% Wilson interval (`low`, `high`): the share of all queries with a verified
        answer; `reward`, mean of the answers', with `reward_low` and `reward_high`, None without any;
        `samples`, drawn a query on average, with `samples_low` and `samples_high`; shares `abstained` and
        `failures` (expired, cancelled, dead letters); `each`, by query: 1 solved or 0 not, or the real
        reward, None without an answer.
    """
    n = max(len(results), 1)
    answers = [one.answer for one in results if one.answer is not None]
    verified = sum(bool(answer.verified) for answer in answers)
    low, high = wilson(verified, n)
    used = np.array([0 if one.answer is None else one.answer.samples_used for one in results] or [0])
    half = Z * float(used.std()) / math.sqrt(n)
    rewards = {answer.id: answer.reward for answer in answers if answer.reward is not None}
    solved = {answer.id for answer in answers if answer.verified}
    return {
        "queries": len(results),
        "success": verified / n,
        "low": low,
        "high": high,
        **_mean(list(rewards.values())),
        "samples": float(used.mean()),
        "samples_low": float(used.mean()) - half,
        "samples_high": float(used.mean()) + half,
        "abstained": sum(answer.abstained for answer in answers) / n,
        "failures": (len(results) - len(answers)) / n,
        "each": [rewards.get(key) if is_real else int(key in solved) for key in ids],
    }


def _mean(rewards: Sequence[float]) -> dict[str, float | None]:
    if not rewards:
        return dict.fromkeys(("reward", *REWARD))
    mean, half = float(np.mean(rewards)), Z * float(np.std(rewards)) / math.sqrt(len(rewards))
    return dict(zip(("reward", *REWARD), (mean, mean - half, mean + half), strict=True))


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Returns the 95% interval of a share of n, at least 1, by Wilson's score."""
    share, z2 = successes / n, Z * Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _reached(readings: Mapping[str, Sequence[Reading]], budgets: Sequence[int]) -> dict[str, Any]:
    return {
        name: {str(b): asdict(reached([own[place]])) for place, b in enumerate(budgets)}
        for name, own in readings.items()
    }


def _details(cell: Needed) -> dict[str, Any]:
    low, high = cell.over_other
    found = {"low": cell.low, "high": cell.high, "splits_not_reached": cell.missed}
    return {**found, f"over_{STOPPING}": {"low": low, "high": high}}


def _predictor(
    predicted: FloatArray, losses: FloatArray, successes: IntArray, draws: int, weights: FloatArray
) -> dict[str, Any]:
    rates = successes / draws
    quality = predictor_quality(predicted, successes, draws)
    loss_low, loss_high = np.quantile(weights @ losses, ENDS).tolist()
    ece_low, ece_high = _ece_interval(predicted, rates)
    shown = predictions(predicted, rates, weights)
    return {
        "predictor": {
            "loss": quality.loss,
            "loss_low": loss_low,
            "loss_high": loss_high,
            "average": quality.average,
            "optimal": quality.optimal_corrected,
            "optimal_uncorrected": quality.optimal,
            "accuracy": quality.accuracy if math.isfinite(quality.accuracy) else None,
            "ece": drift(predicted, rates).error,
            "ece_low": ece_low,
            "ece_high": ece_high,
        },
        "calibration": [asdict(one) for one in shown.calibration],
        "points": [list(point) for point in shown.points],
    }


def _ece_interval(predicted: FloatArray, rates: FloatArray) -> tuple[float, float]:
    rng, n = np.random.default_rng(SEED), len(rates)
    chosen = [rng.integers(n, size=n) for _ in range(RESAMPLES // 2)]
    low, high = np.quantile([drift(predicted[rows], rates[rows]).error for rows in chosen], ENDS)
    return float(low), float(high)
