"""What policies do with their samples: on whom they spend them, how long a query waits, what limits cost.

Each figure is expected over the orders of the recorded samples, at the price at which a policy's budget is
spent, and averaged over splits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adaqueue.core.cuts import Order
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.noisy_verifier import Judged, judged
from adaqueue.core.replays import ROUNDING
from adaqueue.core.splits import Recorded
from adaqueue.core.ways import Way

LEAST_POWER = 3
"""Of two: the least limit of samples a query."""

FALSE_ACCEPTS = (0.0, 0.01, 0.05, 0.1)
FALSE_REJECTS = (0.0, 0.05, 0.2)

Errors = tuple[float, float]
"""(false accepts, false rejects): chance that a wrong sample is accepted, that a right one is rejected."""

ERRORS: tuple[Errors, ...] = tuple((f, r) for f in FALSE_ACCEPTS for r in FALSE_REJECTS)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a policy does at an average budget B.

    Attributes:
        thirds: samples a query on average of the hard, the medium and the easy third by predicted success.
        rounds: samples of one query that are drawn one after another, mean over queries: all that it draws
            where a success closes a query; where budgets are granted at once, 1 for whoever gets any.
        tokens: for the reward of uniform best-of-B, as a share of uniform's, each sample charged the mean of
            its query's; None: not reached, or not known of every query.
        limited: most samples that a query may get -> reward. The order of buying is kept.
        erring: rates of the verifier's errors -> share of queries answered and right, and share of the
            answers that is right (1 where there is none). Policies are fitted on right verdicts, keep their
            order of buying, and take a rejection for a failure.
    """

    thirds: tuple[float, float, float]
    rounds: float
    tokens: float | None
    limited: Mapping[int, float]
    erring: Mapping[Errors, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class _Draws:
    """What the draws of each kind of query cost and win; kinds are queries with the same counts.

    Attributes:
        kind: of each query, shape (n,).
        alive: chance that the first f draws of a kind all fail, shape (kinds, draws + 1).
        judged: rates of a verifier's errors -> what becomes of the draws.
    """

    kind: IntArray
    alive: FloatArray
    judged: Mapping[Errors, Judged]

    @classmethod
    def of(cls, queries: Recorded) -> _Draws:
        counts = np.stack([queries.successes, queries.samples], axis=1)
        kinds, first, kind = np.unique(counts, axis=0, return_index=True, return_inverse=True)
        alive = queries.survival[first]
        draws = alive.shape[1] - 1
        found = {errors: judged(kinds[:, 0], kinds[:, 1], draws, *errors) for errors in ERRORS}
        return cls(kind.ravel(), alive, found)

    @property
    def won(self) -> FloatArray:
        """Chance that a draw is the first success, shape (kinds, draws)."""
        found: FloatArray = self.alive[:, :-1] - self.alive[:, 1:]
        return found

    def spent(self, stops: bool) -> FloatArray:
        """Samples that a draw costs, shape (kinds, draws)."""
        return self.alive[:, :-1] if stops else np.ones_like(self.won)

    def limits(self) -> list[int]:
        """Most samples of a query that are tried: powers of two, and all that are recorded."""
        draws = self.won.shape[1]
        powers = [2**power for power in range(LEAST_POWER, draws.bit_length())]
        return sorted({draws, *powers})


@dataclass(frozen=True, eq=False)
class _Once:
    """One policy at one budget in one split: as `Usage`, with the samples of each query.

    Attributes:
        spent: samples of each query, shape (n,).
        rounds: mean over queries.
        tokens: share of uniform's; infinite where never reached, NaN where not known.
        limited: reward under each limit.
        erring: answered and right, and accepted, with each of a verifier's errors, shape (errors, 2).
    """

    spent: FloatArray
    rounds: float
    tokens: float
    limited: FloatArray
    erring: FloatArray


class Usages:
    """Reads ways of buying one by one, and averages over splits.

    Args:
        queries: on which policies are replayed.
        budgets: average budgets B.
        tokens: of a sample of each query, mean, NaN where unknown, shape (n,).
    """

    def __init__(self, queries: Recorded, budgets: Sequence[int], tokens: FloatArray) -> None:
        self._draws, self._budgets = _Draws.of(queries), tuple(budgets)
        self._uniform = 1 - queries.survival[:, list(budgets)].mean(axis=0)
        self._weight = tokens / tokens.mean() if tokens.sum() > 0 else np.full(len(tokens), np.nan)
        self._read: dict[str, dict[int, list[_Once]]] = {}

    def read(self, way: Way) -> None:
        """Adds a way of buying, of one split."""
        own = self._read.setdefault(way.policy, {})
        for place, once in zip(way.places, self._once(way), strict=True):
            own.setdefault(self._budgets[place], []).append(once)

    def found(self, predicted: FloatArray) -> dict[str, dict[int, Usage]]:
        """Returns policy -> average budget -> usage.

        Args:
            predicted: success of each query, by which they are hard or easy, shape (n,).
        """
        thirds = np.array_split(np.argsort(predicted, kind="stable"), 3)
        return {
            name: {budget: self._mean(splits, thirds) for budget, splits in row.items()}
            for name, row in self._read.items()
        }

    def _once(self, way: Way) -> Iterator[_Once]:
        draws = self._draws
        order = Order.of(way.bought, draws.kind, len(draws.alive))
        spent, won = order.sums([draws.spent(way.stops), draws.won])
        expected = np.insert(np.cumsum(draws.spent(way.stops), axis=1), 0, 0.0, axis=1)
        budgets = [self._budgets[place] for place in way.places]
        limited = np.transpose([self._limited(order, way, limit, budgets) for limit in draws.limits()])
        erring = [self._erring(order, way, own, budgets) for own in draws.judged.values()]
        for number, (place, budget) in enumerate(zip(way.places, budgets, strict=True)):
            own = order.each(spent.cut(budget), expected)
            level = self._uniform[place] - ROUNDING
            needed = order.each(won.cut(level), expected) * self._weight
            granted = own if way.stops else order.each(spent.cut(budget), self._any)
            yield _Once(
                own,
                float(granted.mean()),
                float(needed.mean()) / budget if won.reaches(level) else np.inf,
                limited[number],
                np.array([row[number] for row in erring]),
            )

    def _limited(self, order: Order, way: Way, limit: int, budgets: Sequence[int]) -> list[float]:
        """Returns the reward at each budget where no query gets more than so many samples."""
        within = np.arange(self._draws.won.shape[1]) < limit
        spent, won = order.sums([self._draws.spent(way.stops) * within, self._draws.won * within])
        return [won.at(spent.cut(budget)) for budget in budgets]

    def _erring(
        self, order: Order, way: Way, own: Judged, budgets: Sequence[int]
    ) -> list[tuple[float, float]]:
        """Returns the share answered and right, and the share answered, at each budget."""
        cost = own.open[:, :-1] if way.stops else self._draws.spent(stops=False)
        spent, right, accepted = order.sums([cost, own.right, own.accepted])
        cuts = [spent.cut(budget) for budget in budgets]
        return [(right.at(cut), accepted.at(cut)) for cut in cuts]

    @property
    def _any(self) -> FloatArray:
        """Whether there is any draw, for each number of draws, shape (kinds, draws + 1)."""
        return np.minimum(np.zeros_like(self._draws.alive) + np.arange(self._draws.alive.shape[1]), 1.0)

    def _mean(self, splits: Sequence[_Once], thirds: Sequence[IntArray]) -> Usage:
        spent, limited, erring = (
            np.mean([getattr(split, name) for split in splits], axis=0)
            for name in ("spent", "limited", "erring")
        )
        tokens = float(np.mean([split.tokens for split in splits]))
        hard, medium, easy = (float(spent[third].mean()) for third in thirds)
        return Usage(
            thirds=(hard, medium, easy),
            rounds=float(np.mean([split.rounds for split in splits])),
            tokens=tokens if np.isfinite(tokens) else None,
            limited=dict(zip(self._draws.limits(), limited.tolist(), strict=True)),
            erring=dict(zip(self._draws.judged, map(_shares, erring), strict=True)),
        )


def _shares(answers: FloatArray) -> tuple[float, float]:
    """Returns the share answered and right, and the share of the answers that is right."""
    right, accepted = answers.tolist()
    return right, right / accepted if accepted > 0 else 1.0
