"""Policies compared at equal samples, in closed form, on draws that decided nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.curves import Curve, curve, known_marginals, recorded_survival, round_robin
from adaqueue.core.decisions import Prediction
from adaqueue.core.marginal import FloatArray, IntArray, from_beta, from_success
from adaqueue.core.posterior import logistic_hazards
from adaqueue.core.rule import Rule

ROUNDING = 1e-12
"""Of a sum of successes: policies that reach the same add it up in different orders."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Policies over average budgets.

    Attributes:
        success: policy -> average budget -> share of queries with a verified success, [0, 1].
        equal_reward_budget: policy -> average budget B -> samples that the policy needs for the success of
            uniform at B, as a share of uniform's; None where it never reaches it within the recorded draws.
    """

    success: dict[str, dict[int, float]]
    equal_reward_budget: dict[str, dict[int, float | None]]


def compare(
    predictions: Sequence[Prediction],
    rule: Rule | None,
    successes: IntArray,
    samples: int,
    budgets: Sequence[int],
) -> Comparison:
    """Returns what every policy reaches, and what it needs for uniform's success.

    Args:
        predictions: of each query, from a probe that saw none of these draws, n of them.
        rule: the probe's; None: its Beta orders sequential buying.
        successes: verified successes of each query among its recorded draws, shape (n,).
        samples: recorded draws of each query; no budget may exceed it.
        budgets: average budgets B to report, at least 1.
    """
    alive = recorded_survival(successes, samples, samples)
    once = _curves(predictions, samples, alive)
    found = {name: dict.fromkeys(budgets, known) for name, known in once.items()}
    found["sequential"] = {
        b: curve(_sequential(predictions, rule, samples, b), alive, stops=True) for b in budgets
    }
    target = {b: once["uniform"].at(b) for b in budgets}
    return Comparison(
        {name: {b: by[b].at(b) for b in budgets} for name, by in found.items()},
        {name: {b: _share(by[b], target[b], b) for b in budgets} for name, by in found.items()},
    )


def _curves(predictions: Sequence[Prediction], samples: int, alive: FloatArray) -> Mapping[str, Curve]:
    """The policies whose index is the same at every average budget."""
    n = len(predictions)
    beliefs = Beliefs.of_predictions(predictions)
    turn, window = round_robin(n, samples), from_success(beliefs.success, samples)
    beta_window = from_beta(beliefs.alpha, beliefs.beta, samples, beliefs.zero)
    return {
        "uniform": curve(turn, alive, stops=False),
        "uniform_early_stop": curve(turn, alive, stops=True),
        "window": curve(window, alive, stops=False),
        "window_early_stop": curve(window, alive, stops=True),
        "beta_window": curve(beta_window, alive, stops=False),
        "oracle": curve(known_marginals(alive), alive, stops=False),
    }


def _sequential(
    predictions: Sequence[Prediction], rule: Rule | None, samples: int, average_budget: float
) -> FloatArray:
    """The rule's hazards where it spoke, which is not where the probe was refused; else the Beta's."""
    beliefs = Beliefs.of_predictions(predictions)
    hazards = beliefs.hazards(samples)
    ruled = np.array([said.curve is not None for said in predictions])
    if rule is not None and ruled.any():
        curves = rule.curves(beliefs.score[ruled], average_budget)
        hazards[ruled] = logistic_hazards(curves, samples)
    return hazards


def _share(known: Curve, target: float, budget: int) -> float | None:
    needed = known.needed(target - ROUNDING)
    return None if needed is None else needed / budget
