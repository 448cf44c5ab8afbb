"""The bin policy (the paper's offline allocation): budgets by prediction, fitted beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

from adaqueue.core.marginal import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class BinPolicy:
    """Budgets by predicted first marginal reward; plain numbers, to be stored as data.

    Attributes:
        edges: where one bin ends and the next begins, increasing, one fewer than bins; an edge belongs to the
            bin above it.
        budgets: samples for a query of each bin, lowest predictions first, each at least 0.
    """

    edges: tuple[float, ...]
    budgets: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raises ValueError where the numbers are no bins."""
        if len(self.budgets) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges need {len(self.edges) + 1} budgets: {self.budgets}")
        if not all(_is_number(edge) for edge in self.edges) or list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"edges must be finite numbers that increase, not {self.edges}")
        if not all(isinstance(b, int) and not isinstance(b, bool) and b >= 0 for b in self.budgets):
            raise ValueError(f"budgets must be whole numbers of at least 0, not {self.budgets}")

    def budget(self, predicted: FloatArray) -> IntArray:
        """Returns the budget of each query, whoever comes with it; both of shape (n,).

        Raises:
            ValueError: a prediction is NaN.
        """
        return np.array(self.budgets, dtype=np.int64)[bin_of(predicted, np.array(self.edges))]

    def as_data(self) -> dict[str, list[float] | list[int]]:
        """Returns the policy as JSON holds it."""
        return {"edges": list(self.edges), "budgets": list(self.budgets)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> BinPolicy:
        """Returns the policy that `as_data` described.

        Raises:
            ValueError: a key is missing or unknown, or the numbers are no bins.
        """
        if set(data) != {"edges", "budgets"} or not all(isinstance(v, list | tuple) for v in data.values()):
            raise ValueError(f"a bin policy is two lists, edges and budgets, not {dict(data)!r:.200}")
        return cls(edges=tuple(data["edges"]), budgets=tuple(data["budgets"]))


def fit(predicted: FloatArray, delta: FloatArray, average_budget: float, bins: int) -> BinPolicy:
    """Returns the budgets that maximise the held-out queries' reward, one budget for each bin (Section 3.2).

    The paper solves with predicted marginals. Here each bin's rows are what its held-out queries were seen to
    give, averaged, so a prediction only ranks, and its overconfidence harms nobody.

    Args:
        predicted: first marginal reward of held-out queries, shape (n,), finite.
        delta: their marginal rewards as recorded, shape (n, b_max), finite; rows may rise.
        average_budget: samples a held-out query on average, at least 0; never exceeded.
        bins: wanted, at least 1; fewer where predictions are equal.

    Returns:
        The policy. It buys the best units that fit, in the order of their worth, none that is worth nothing;
        less than one unit of one bin is left.

    Raises:
        ValueError: no queries, or an argument is out of range.
    """
    if average_budget < 0:
        raise ValueError(f"average_budget must be at least 0, not {average_budget}")
    edges = quantile_edges(predicted, bins)
    rows = mean_marginals(predicted, delta, edges)
    sizes = np.bincount(bin_of(predicted, edges), minlength=len(rows))
    owner, unit = np.indices(rows.shape).reshape(2, -1)
    order = np.lexsort((owner, unit, -rows.ravel()))
    fits = (np.cumsum(sizes[owner[order]]) <= average_budget * len(predicted)) & (rows.flat[order] > 0)
    bought = np.bincount(owner[order][fits], minlength=len(rows))
    return BinPolicy(edges=tuple(edges.tolist()), budgets=tuple(bought.tolist()))


def quantile_edges(predicted: FloatArray, bins: int) -> FloatArray:
    """Returns edges between bins of about equally many predictions, no bin empty, shape (bins - 1,) or fewer.

    Raises:
        ValueError: no predictions, one that is not finite, or no bins.
    """
    if predicted.ndim != 1 or not predicted.size or not np.isfinite(predicted).all():
        raise ValueError(f"predicted must be finite, shape (n,), n at least 1, not {predicted.shape}")
    if bins < 1:
        raise ValueError(f"bins must be at least 1, not {bins}")
    firsts = np.sort(predicted)[np.arange(1, bins) * predicted.size // bins]
    edges: FloatArray = np.unique(firsts[firsts > predicted.min()])
    return edges


def bin_of(predicted: FloatArray, edges: FloatArray) -> IntArray:
    """Returns the number of each prediction's bin, shape (n,), 0..len(edges).

    Raises:
        ValueError: a prediction is NaN, which belongs to no bin.
    """
    if np.isnan(predicted).any():
        raise ValueError("predicted must be numbers, found NaN")
    return np.searchsorted(edges, predicted, side="right").astype(np.int64)


def mean_marginals(predicted: FloatArray, delta: FloatArray, edges: FloatArray) -> FloatArray:
    """Returns each bin's mean marginal rewards, made never to rise, shape (bins, b_max).

    Args:
        predicted: first marginal reward of held-out queries, shape (n,).
        delta: their marginal rewards as recorded, shape (n, b_max), finite.
        edges: as `quantile_edges` gives them for these predictions.

    Raises:
        ValueError: the shapes differ, a reward is not finite, or a bin is empty.
    """
    if delta.ndim != 2 or len(delta) != len(predicted) or not np.isfinite(delta).all():
        raise ValueError(f"delta must be finite, shape ({len(predicted)}, b_max), not {delta.shape}")
    owner = bin_of(predicted, edges)
    sizes = np.bincount(owner, minlength=len(edges) + 1)
    if not sizes.all():
        raise ValueError(f"bin {int(sizes.argmin())} has no held-out query")
    starts = np.append(0, np.cumsum(sizes)[:-1])
    means = np.add.reduceat(delta[np.argsort(owner, kind="stable")], starts, axis=0) / sizes[:, None]
    return np.array([_never_rising(row) for row in means]).reshape(means.shape)


def _never_rising(row: FloatArray) -> FloatArray:
    """The nearest row that does not rise (least squares): where the row already falls, the row itself."""
    if (row[1:] <= row[:-1]).all():
        return row
    projected: FloatArray = isotonic_regression(row, increasing=False).x
    return projected


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
