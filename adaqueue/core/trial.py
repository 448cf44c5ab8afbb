"""A challenger against the probe in use, on queries that taught neither; that probe against live draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.curves import curve
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.posterior import logistic_hazards
from adaqueue.core.rule import Rule

CONFIDENCE = 0.99
"""Of a gain: every night brings another challenger, and one in a hundred is lucky."""

RESAMPLES = 2_000
FEWEST_GROUPS = 50
"""With fewer, the interval holds less than it says."""

LARGEST_ERROR = 0.05
"""Calibration error that nobody is blamed for."""

NO_WORSE = 1.02
"""Share of the champion's samples that a challenger may need: one percent or two are noise."""

BINS = 10
FEWEST_IN_BIN = 20
ALARM_CHANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Contestant:
    """A probe's word on the queries of a trial.

    Attributes:
        beliefs: of each query.
        rule: orders its sequential buying; None: the beliefs' own hazards do.
    """

    beliefs: Beliefs
    rule: Rule | None

    def hazards(self, average_budget: float, b_max: int) -> FloatArray:
        """Returns the hazards by which it would buy, shape (n, b_max)."""
        if self.rule is None:
            return self.beliefs.hazards(b_max)
        return logistic_hazards(self.rule.curves(self.beliefs.score, average_budget), b_max)


@dataclass(frozen=True, slots=True)
class Trial:
    """What held-out queries say of a challenger.

    Attributes:
        queries: held out, with samples.
        gain: log likelihood of their draws over the champion's, in nats a query.
        low: lower end of the gain's one-sided 99% interval, over groups.
        error: the challenger's calibration error on first draws.
        champion_error: the champion's.
        samples: that it needs, in a replay of the same draws, for the champion's success, as a share of the
            champion's; None where it does not reach it.
        average_budget: samples a query at which they were replayed.
        groups: of near duplicates among the queries.
    """

    queries: int
    gain: float
    low: float
    error: float
    champion_error: float
    samples: float | None
    average_budget: float
    groups: int

    @property
    def objections(self) -> list[str]:
        """Why the challenger is not to be promoted; empty: it is."""
        found = []
        if self.groups < FEWEST_GROUPS:
            found.append(f"{self.groups} different prompts judge, at least {FEWEST_GROUPS} are needed")
        if not self.low > 0:
            found.append(
                f"its gain of {self.gain:.4f} nats a query is not significant (at least {self.low:.4f})"
            )
        if self.error > max(self.champion_error, LARGEST_ERROR):
            found.append(f"its calibration error is {self.error:.3f} against {self.champion_error:.3f}")
        if self.samples is None or self.samples > NO_WORSE:
            share = "more than were drawn" if self.samples is None else f"{self.samples:.0%}"
            found.append(f"it needs {share} of the champion's samples for its success")
        return found


@dataclass(frozen=True, slots=True)
class Drift:
    """How live first draws agree with what was predicted of them.

    Attributes:
        queries: looked at.
        predicted: mean predicted success.
        observed: share of first draws that succeeded.
        error: calibration error, the mean distance of both over bins of equal size.
        chance: of so large a disagreement if the predictions were right.
    """

    queries: int
    predicted: float
    observed: float
    error: float
    chance: float

    @property
    def is_alarm(self) -> bool:
        """Whether calibration has left its band: neither by chance nor by little."""
        return self.chance < ALARM_CHANCE and self.error > LARGEST_ERROR


def judge(
    challenger: Contestant, champion: Contestant, held_out: Outcomes, seed: int, challengers: int = 1
) -> Trial:
    """Returns how a challenger does against the champion.

    The likelihood is that of all draws, whatever stopped them. The replay buys by each contestant's hazards
    from the draws as they were seen, in which only success or failure decides, never a reward to come; beyond
    what was seen all queries fail at the population's rate, so that neither gains by guesses.

    Args:
        challenger: its word on the held-out queries.
        champion: the other's.
        held_out: queries on which neither was trained, with at least one sample each.
        seed: of the interval.
        challengers: that are judged together: each adds a chance to be lucky.

    Raises:
        ValueError: nothing was drawn.
    """
    gains = challenger.beliefs.log_likelihood(held_out.successes, held_out.samples)
    gains = gains - champion.beliefs.log_likelihood(held_out.successes, held_out.samples)
    first = first_draws(held_out)
    budget = max(float(held_out.samples.mean()), 1.0)
    return Trial(
        queries=len(held_out),
        gain=float(gains.mean()),
        low=_lower_end(gains, held_out.groups, (1 - CONFIDENCE) / challengers, seed),
        error=drift(challenger.beliefs.success, first).error,
        champion_error=drift(champion.beliefs.success, first).error,
        samples=_share_of_samples(challenger, champion, held_out, budget),
        average_budget=budget,
        groups=len(np.unique(held_out.groups)),
    )


def first_draws(outcomes: Outcomes) -> FloatArray:
    """Returns whether each query's first draw succeeded, 0 or 1, shape (n,); the queries have drawn."""
    return np.array([float(rewards[0] > 0) for rewards in outcomes.rewards])


def drift(predicted: FloatArray, first: FloatArray) -> Drift:
    """Returns how first draws agree with the predicted success, by the test of Hosmer and Lemeshow.

    First draws are fair judges under any rule of stopping. Bins hold equal numbers of queries in the order of
    their predictions, 10 bins where there are 200 queries, fewer below.

    Args:
        predicted: mean success probability before the first draw, shape (n,), in (0, 1).
        first: whether it succeeded, 0 or 1, shape (n,).

    Raises:
        ValueError: there is no query.
    """
    if not len(first):
        raise ValueError("calibration needs a query that has drawn")
    bins = max(min(BINS, len(first) // FEWEST_IN_BIN), 1)
    parts = np.array_split(np.argsort(predicted, kind="stable"), bins)
    said = np.array([predicted[part].mean() for part in parts])
    seen = np.array([first[part].mean() for part in parts])
    sizes = np.array([len(part) for part in parts])
    spread = np.array([(predicted[part] * (1 - predicted[part])).sum() for part in parts])
    statistic = float((((seen - said) * sizes) ** 2 / np.maximum(spread, 1e-12)).sum())
    return Drift(
        queries=len(first),
        predicted=float(predicted.mean()),
        observed=float(first.mean()),
        error=float(np.average(np.abs(seen - said), weights=sizes)),
        chance=float(gammaincc(bins / 2, statistic / 2)),
    )


def _lower_end(gains: FloatArray, groups: IntArray, chance: float, seed: int) -> float:
    _, group = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(group, gains), np.bincount(group)
    drawn = np.random.default_rng(seed).multinomial(
        len(sums), np.full(len(sums), 1 / len(sums)), size=RESAMPLES
    )
    return float(np.quantile(drawn @ sums / (drawn @ sizes), chance))


def _share_of_samples(
    challenger: Contestant, champion: Contestant, held_out: Outcomes, budget: float
) -> float | None:
    width = int(held_out.samples.max(initial=1))
    alive = continued(held_out.survival(width))
    curves = [
        curve(contestant.hazards(budget, width), alive, stops=True) for contestant in (challenger, champion)
    ]
    spent = min(budget, float(curves[1].samples[-1]))
    needed = curves[0].needed(curves[1].at(spent) - 1e-12)
    return None if needed is None else needed / spent


def continued(survival: FloatArray) -> FloatArray:
    """Returns the survival with the population's hazards where it was not seen (Kaplan and Meier).

    Args:
        survival: chance that the first f draws all fail, NaN from where none was seen, shape (n, b + 1).
    """
    seen = np.isfinite(survival[:, 1:])
    risk = np.where(seen, survival[:, :-1], 0.0).sum(axis=0)
    failed = np.where(seen, survival[:, 1:], 0.0).sum(axis=0)
    kept = failed / np.maximum(risk, 1e-12)
    alive = survival.copy()
    for f in range(seen.shape[1]):
        if not risk[f]:
            kept[f] = kept[f - 1] if f else 1.0
        unseen = ~seen[:, f]
        alive[unseen, f + 1] = alive[unseen, f] * kept[f]
    return alive
