"""The sequential rule: from a probe's score, the hazard curve by which a query's samples are bought.

The curve is `logit h = a + b l + c l^2`, `l = log(1 + failures)`. In a and b the score has slopes: they
say how much it is trusted at the start, and how that trust fades with failures. Where a score
is worth nothing they are 0: all queries share the population's curve, and unsolved ones are drawn in turn.

Which slopes win depends on the average budget, so each budget has its own: on bootstraps of the training
queries several fits compete, each is replayed on the queries left out, and the winners are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from adaqueue.core.curves import curve
from adaqueue.core.marginal import FloatArray, IntArray

BUDGETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
HORIZONS = (4, 16, 64)
RIDGES = (0.1, 1.0, 10.0)
NEVER = 1e6
BEND_MEAN = float(np.exp(0.5))
FARTHEST = 3.0
BOOTSTRAPS = 32
CELLS = 40
HANDICAP = 0.25
NEWTON_STEPS = 25
SPENT_AT_MOST = 0.8

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """What turns scores into hazard curves, for each average budget that it was fitted for.

    Attributes:
        centre: of the training queries' scores.
        scale: their standard deviation, > 0; a score counts as `z = (score - centre) / scale`, within +-3.
        budgets: average budgets, in samples a query, increasing.
        coefficients: for each budget (a0, a1, b0, b1, c0, c1), perhaps (a2, b2): `a = a0 + a1 z + a2 bend`.
            The bend, `exp(z)` less a constant, lets high scores count for more, or less.
    """

    centre: float
    scale: float
    budgets: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        numbers = [self.centre, self.scale, *self.budgets, *sum(self.coefficients, ())]
        if not np.isfinite(numbers).all() or self.scale <= 0:
            raise ValueError(f"a rule needs finite numbers and a scale above 0: {self}")
        if not self.budgets or self.budgets[0] <= 0 or (np.diff(self.budgets) <= 0).any():
            raise ValueError(f"budgets must be above 0 and increase, not {self.budgets}")
        widths = {len(row) for row in self.coefficients}
        if len(self.coefficients) != len(self.budgets) or widths not in ({6}, {8}):
            raise ValueError(
                f"each of {len(self.budgets)} budgets needs 6 or 8 coefficients: {self.coefficients}"
            )

    def curves(self, score: FloatArray, average_budget: float) -> FloatArray:
        """Returns (a, b, c) of each query, for `posterior.logistic_hazards`.

        Between the budgets that were fitted the coefficients are linear in log budget; beyond them the ends'.

        Args:
            score: logit of the probe's mean success probability, shape (n,), finite.
            average_budget: samples a query that may be spent on average, > 0.

        Returns:
            Shape (n, 3).

        Raises:
            ValueError: a score is not finite, or the budget is not above 0.
        """
        if score.ndim != 1 or not np.isfinite(score).all() or not average_budget > 0:
            raise ValueError(f"score must be finite, average_budget above 0: {score}, {average_budget}")
        grid, place = np.log(self.budgets), np.log(average_budget)
        chosen = np.array([np.interp(place, grid, column) for column in np.transpose(self.coefficients)])
        z = np.clip((score - self.centre) / self.scale, -FARTHEST, FARTHEST)
        curves: FloatArray = chosen[0:6:2] + z[:, None] * chosen[1:6:2]
        if len(chosen) == 8:
            curves[:, :2] += _bend(z)[:, None] * chosen[6:]
        return curves

    def to_data(self) -> dict[str, Any]:
        """Returns the rule as plain data that JSON can hold; `from_data` reads it back."""
        return {
            "centre": self.centre,
            "scale": self.scale,
            "budgets": list(self.budgets),
            "coefficients": [list(row) for row in self.coefficients],
        }

    @classmethod
    def from_data(cls, data: object) -> Rule:
        """Returns the rule that `to_data` wrote.

        Raises:
            ValueError: the data is not a rule; the message says why.
        """
        names = {"centre", "scale", "budgets", "coefficients"}
        if not isinstance(data, Mapping) or set(data) != names:
            raise ValueError(f"a rule has the fields {sorted(names)}: {data!r}")
        try:
            rows = tuple(tuple(_number(x) for x in row) for row in data["coefficients"])
            budgets = tuple(_number(x) for x in data["budgets"])
            return cls(_number(data["centre"]), _number(data["scale"]), budgets, rows)
        except TypeError as error:
            raise ValueError(f"not a rule: {error}") from error


def fit_rule(score: FloatArray, survival: FloatArray, seed: int, budgets: Sequence[float] = BUDGETS) -> Rule:
    """Returns the rule that recorded queries teach.

    Args:
        score: of each query, from a probe that did not see its outcomes, shape (n,), finite.
        survival: chance that the first f recorded draws all fail, shape (n, b + 1), from 1, never rising:
            `curves.recorded_survival` of counts; for a log in its order 1 until the first success, 0 after.
            NaN from where a query was not drawn any further: the gap is filled with what a fit says.
        seed: of the bootstraps; the same arguments give the same rule.
        budgets: average budgets to fit for. Those that the records cannot tell apart are left out, but one.

    Raises:
        ValueError: the arguments are out of range, or nothing was drawn.
    """
    known = _checked(score, survival)
    centre, scale = float(score.mean()), float(score.std()) or 1.0
    z = np.clip((score - centre) / scale, -FARTHEST, FARTHEST)
    records = _Records.of(z, survival, known)
    fitted = _affordable(sorted(set(budgets)), records)
    rows = np.insert(_bagged(records, fitted, np.random.default_rng(seed)), 5, 0.0, axis=1)
    return Rule(centre, scale, tuple(map(float, fitted)), tuple(tuple(map(float, row)) for row in rows))


@dataclass(frozen=True, eq=False)
class _Records:
    """The training queries in the order of their scores, in m cells of neighbours that count as one score.

    Attributes:
        design: of each cell and number of failures, a column a coefficient, shape (m, b, 7).
        starts: place of each cell's first query, shape (m,).
        risk: chance that the draw was made and seen, shape (n, b).
        events: chance that it was the first success, shape (n, b).
        alive: survival without gaps, shape (n, b + 1).
    """

    design: FloatArray
    starts: IntArray
    risk: FloatArray
    events: FloatArray
    alive: FloatArray

    @classmethod
    def of(cls, z: FloatArray, survival: FloatArray, known: FloatArray) -> _Records:
        order = np.argsort(z, kind="stable")
        z, survival, known = z[order], survival[order], known[order]
        m = min(CELLS, len(z))
        starts = np.arange(m) * len(z) // m
        centres = np.add.reduceat(z, starts) / np.diff(starts, append=len(z))
        filled = np.nan_to_num(survival)
        risk, events = filled[:, :-1] * known, (filled[:, :-1] - filled[:, 1:]) * known
        design = _design(centres, known.shape[1])
        at_risk, succeeded = (_sums(starts, np.ones((1, len(z))), drawn) for drawn in (risk, events))
        pilot = _fit(design, at_risk, succeeded, (RIDGES[0], NEVER))[0]
        alive = _without_gaps(survival, expit(_design(z, known.shape[1]) @ pilot))
        return cls(design, starts, risk, events, alive)


def _design(z: FloatArray, b: int) -> FloatArray:
    grown = np.broadcast_to(np.log1p(np.arange(b)), (len(z), b))
    score = np.broadcast_to(z[:, None], (len(z), b))
    bend = _bend(score)
    return np.stack([grown**0, score, grown, score * grown, grown**2, bend, bend * grown], axis=2)


def _bend(z: FloatArray) -> FloatArray:
    return np.asarray(np.exp(z) - BEND_MEAN)


def _sums(starts: IntArray, weights: FloatArray, values: FloatArray) -> FloatArray:
    """Returns sums of values, (n, ...), weighted by (k, n), over the queries of each cell, (k, m, ...)."""
    cells = zip(np.split(weights, starts[1:], axis=1), np.split(values, starts[1:]), strict=True)
    return np.stack([weight @ value for weight, value in cells], axis=1)


def _without_gaps(survival: FloatArray, hazards: FloatArray) -> FloatArray:
    """Returns the survival, continued by the hazards from where it is not known."""
    alive = survival.copy()
    for f in range(hazards.shape[1]):
        unknown = np.isnan(alive[:, f + 1])
        alive[unknown, f + 1] = alive[unknown, f] * (1 - hazards[unknown, f])
    return alive


def _bagged(records: _Records, budgets: Sequence[float], rng: np.random.Generator) -> FloatArray:
    """Returns the average of the bootstraps' winners, for each budget, shape (len(budgets), 7)."""
    n = len(records.alive)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=BOOTSTRAPS).astype(np.float64)
    candidates = _candidates(records, weights)
    left_out = _sums(records.starts, (weights == 0).astype(np.float64), records.alive)
    reached = np.array([_judge(records.design, fits, left_out, budgets) for fits in candidates])
    reached[0] += HANDICAP * (reached[1:] - reached[0]).std(axis=1).mean(axis=0)
    rows = np.stack(candidates)[np.argmax(reached, axis=0), np.arange(BOOTSTRAPS)[:, None]]
    return np.asarray(rows.mean(axis=0))


def _candidates(records: _Records, weights: FloatArray) -> list[FloatArray]:
    """Returns each candidate's coefficients in each bootstrap, shape (k, 7), the population's curve first."""
    risk, events = (_sums(records.starts, weights, drawn) for drawn in (records.risk, records.events))
    b = records.design.shape[1]
    horizons = sorted({min(horizon, b) for horizon in HORIZONS})
    settings = [
        (horizon, (ridge, bent)) for horizon in horizons for ridge in RIDGES for bent in (NEVER, ridge)
    ]
    return [
        _fit(records.design[:, :horizon], risk[:, :, :horizon], events[:, :, :horizon], ridges)
        for horizon, ridges in [(b, (NEVER, NEVER)), *settings]
    ]


def _fit(design: FloatArray, risk: FloatArray, events: FloatArray, ridges: tuple[float, float]) -> FloatArray:
    """Returns the coefficients of the logistic regression of events on the design, shape (k, 7).

    Draws of one query are not independent: the likelihood is scaled so that a query weighs like one draw.

    Args:
        design: of m cells and b draws, shape (m, b, 7).
        risk: draws at risk, shape (k, m, b).
        events: successes among them, shape (k, m, b).
        ridges: pull the two slopes of the score, and of its bend, to 0, in queries.
    """
    rows, k = design.reshape(-1, design.shape[2]), len(risk)
    scale = (risk[:, :, 0].sum(axis=1) / np.maximum(risk.sum(axis=(1, 2)), 1e-9))[:, None]
    penalty = np.array([1e-3, ridges[0], 1e-2, ridges[0], 1e-2, ridges[1], ridges[1]])
    return _newton(rows, risk.reshape(k, -1) * scale, events.reshape(k, -1) * scale, penalty)


def _newton(design: FloatArray, risk: FloatArray, events: FloatArray, penalty: FloatArray) -> FloatArray:
    found = np.zeros((len(risk), design.shape[1]))
    outer = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    for _ in range(NEWTON_STEPS):
        said = expit(found @ design.T)
        gradient = (events - risk * said) @ design - found * penalty
        hessian = ((risk * said * (1 - said)) @ outer).reshape(len(risk), *penalty.shape * 2)
        step = np.linalg.solve(hessian + np.diag(penalty), gradient[:, :, None])[:, :, 0]
        found = found + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-4:
            break
    return found


def _judge(
    design: FloatArray, fits: FloatArray, left_out: FloatArray, budgets: Sequence[float]
) -> FloatArray:
    """Returns the success that each sample's fit reaches on the queries left out of it, (k, len(budgets))."""
    hazards = np.minimum.accumulate(
        (fits @ design.reshape(-1, design.shape[2]).T).reshape(-1, *design.shape[:2]), axis=2
    )
    return np.array([_success(index, alive, budgets) for index, alive in zip(hazards, left_out, strict=True)])


def _success(index: FloatArray, alive: FloatArray, budgets: Sequence[float]) -> list[float]:
    replayed = curve(index, alive * (len(alive) / max(alive[:, 0].sum(), 1.0)), stops=True)
    return [replayed.at(budget) for budget in budgets]


def _affordable(budgets: Sequence[float], records: _Records) -> list[float]:
    """Returns the budgets at which a choice is left: well below what drawing everything costs."""
    most = SPENT_AT_MOST * records.alive[:, :-1].sum(axis=1).mean()
    return [budget for budget in budgets if budget <= most] or list(budgets[:1])


def _checked(score: FloatArray, survival: FloatArray) -> FloatArray:
    """Returns 1 where a draw was made and seen, 0 where not, shape (n, b); refuses what is out of range."""
    if score.ndim != 1 or survival.ndim != 2 or len(score) != len(survival) or not len(score):
        raise ValueError(
            f"score must have shape (n,) and survival (n, b + 1): {score.shape}, {survival.shape}"
        )
    if not np.isfinite(score).all():
        raise ValueError(f"score must be finite, not {score[~np.isfinite(score)][0]}")
    seen, filled = np.isfinite(survival), np.nan_to_num(survival)
    if not (filled[:, 0] == 1).all() or (np.diff(filled, axis=1) > 1e-9).any() or (filled < 0).any():
        raise ValueError("survival must start at 1, never rise, and be NaN only from some draw on")
    if not seen[:, 1:].any():
        raise ValueError("no draw is recorded")
    return np.asarray(seen[:, 1:], dtype=np.float64)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)
