"""Marginal rewards in, budgets out: the greedy window allocation, with the price it stops at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Budgets:
    """What a window's queries may spend.

    Attributes:
        units: Units granted to each query, shape (n,), minimum included.
        price: Marginal reward of the cheapest unit bought beyond the minimums. Between minimum and maximum,
            every unit worth more was bought and no unit worth less; ties at the price are shared in rounds.
            Infinite where nothing was bought beyond the minimums.
    """

    units: IntArray
    price: float


def allocate(
    delta: FloatArray,
    total: int,
    *,
    minimum: IntArray | int | None = None,
    maximum: IntArray | int | None = None,
    order: IntArray | None = None,
) -> Budgets:
    """Returns the budgets that maximise the window's summed reward (Section 3.2, window allocation).

    Greedy on the largest marginal reward, found by selecting the price instead of by buying unit after unit,
    in O(n b_max). It spends `total`, or all that the maximums allow: units worth nothing are bought last.

    Args:
        delta: Marginal rewards, shape (n, b_max), finite, no row increasing; `delta[i, j-1]` is unit j's.
        total: Units that the window may spend, at least 0; never exceeded.
        minimum: Units that each query gets first, whatever they are worth, shape (n,) or one for all;
            default 0.
        maximum: Units that no query may exceed, shape (n,) or one for all; default and ceiling `b_max`.
        order: Rank of each query, shape (n,), lowest served first, equal ranks by index; default the index.
            Units tied at the price go to the lower j first (in rounds over the queries), then by rank.

    Returns:
        The budgets and the price; `units.sum()` is the smaller of `total` and the sum of the maximums.

    Raises:
        ValueError: A row increases or is not finite, the minimums exceed `total`, `b_max` or a maximum, or a
            shape or sign is wrong; the message names the value.
    """
    _require_never_increasing(delta)
    low, high = _limits(delta.shape, minimum, maximum)
    left = total - int(low.sum())
    if total < 0 or left < 0:
        raise ValueError(f"total must be at least the sum of the minimums, {low.sum()}, not {total}")
    price = _price(delta, low, high, left)
    above = np.clip(np.count_nonzero(delta > price, axis=1), low, high)
    reach = np.clip(np.count_nonzero(delta >= price, axis=1), low, high)
    return Budgets(_share_ties(above, reach, total, _ranks(order, len(delta))), price)


def _price(delta: FloatArray, low: IntArray, high: IntArray, left: int) -> float:
    """The `left`-th largest marginal reward among the units after `low` and up to `high`."""
    column = np.arange(delta.shape[1])
    open_units = delta[(column >= low[:, np.newaxis]) & (column < high[:, np.newaxis])]
    if left == 0 or open_units.size == 0:
        return float("inf")
    place = max(open_units.size - left, 0)
    open_units.partition(place)
    return float(open_units[place])


def _share_ties(above: IntArray, reach: IntArray, total: int, ranks: IntArray) -> IntArray:
    """Raises budgets from `above` towards `reach`, lowest j first, until `total` is spent.

    Column j holds the unit j+1 of every query, so whole columns are granted while they fit; the column that
    does not fit goes to the queries of lowest rank.
    """
    columns = int(reach.max(initial=0))
    starts = np.bincount(above, minlength=columns + 1)
    ends = np.bincount(reach, minlength=columns + 1)
    tied_until = np.cumsum(np.cumsum(starts - ends)[:columns])
    left = total - int(above.sum())
    level = int(np.searchsorted(tied_until, left, side="right"))
    units: IntArray = np.clip(level, above, reach)
    contenders = np.flatnonzero((above <= level) & (level < reach))
    first = contenders[np.argsort(ranks[contenders], kind="stable")]
    units[first[: total - int(units.sum())]] += 1
    return units


def _limits(
    shape: tuple[int, ...], minimum: IntArray | int | None, maximum: IntArray | int | None
) -> tuple[IntArray, IntArray]:
    queries, b_max = shape
    low = _per_query(minimum, 0, queries, "minimum")
    high = np.minimum(_per_query(maximum, b_max, queries, "maximum"), b_max)
    wrong = low > high
    if wrong.any():
        index = int(wrong.argmax())
        raise ValueError(f"minimum[{index}] must be at most its maximum, {high[index]}, not {low[index]}")
    return low, high


def _per_query(value: IntArray | int | None, default: int, queries: int, name: str) -> IntArray:
    given = np.asarray(default if value is None else value)
    if not np.issubdtype(given.dtype, np.integer) or given.shape not in {(), (queries,)}:
        raise ValueError(f"{name} must be one integer or shape ({queries},), not {given.dtype} {given.shape}")
    if (given < 0).any():
        raise ValueError(f"{name} must be at least 0, not {given.min()}")
    return np.broadcast_to(given.astype(np.int64), (queries,))


def _ranks(order: IntArray | None, queries: int) -> IntArray:
    ranks = np.arange(queries) if order is None else np.asarray(order)
    if ranks.shape != (queries,):
        raise ValueError(f"order must have shape ({queries},), not {ranks.shape}")
    return ranks


def _require_never_increasing(delta: FloatArray) -> None:
    if delta.ndim != 2:
        raise ValueError(f"delta must have shape (n, b_max), not {delta.shape}")
    rising = ~(delta[:, 1:] <= delta[:, :-1])  # true for NaN as well
    if not np.isfinite(delta[:, :1]).all() or not np.isfinite(delta[:, -1:]).all():
        raise ValueError("delta must be finite, found inf or NaN")
    if rising.any():
        row, column = np.argwhere(rising)[0]
        pair = delta[row, column : column + 2]
        raise ValueError(f"delta[{row}] must not increase: {pair[0]} then {pair[1]}")
