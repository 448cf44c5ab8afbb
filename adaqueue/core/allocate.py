"""Marginal rewards in, budgets out: the greedy window allocation, with the price it stops at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.costs import buy, chain
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.price import Bracket
from adaqueue.core.rows import BetaRows, Rows, SuccessRows

Limit = IntArray | int | None
"""Units of each query, shape (n,), or of all alike; None where there is no such limit."""


@dataclass(frozen=True, eq=False)
class Budgets:
    """What a window's queries may spend.

    Attributes:
        units: Units granted to each query, shape (n,), minimum included.
        price: Marginal reward, per cost where costs are given, of the cheapest unit bought beyond the
            minimums. Between minimum and maximum, every unit worth more was bought and no unit worth less;
            ties at the price are shared in rounds. Infinite where nothing was bought beyond the minimums.
            With costs, a step worth more may have been passed over because it no longer fitted.
    """

    units: IntArray
    price: float


def allocate(
    delta: FloatArray,
    total: float,
    *,
    minimum: Limit = None,
    maximum: Limit = None,
    order: IntArray | None = None,
    costs: FloatArray | float | None = None,
) -> Budgets:
    """Returns the budgets that maximise the window's summed reward (Section 3.2, window allocation).

    Greedy on the largest marginal reward, found by selecting the price instead of by buying unit after unit,
    in O(n b_max). It spends `total`, or all that the maximums allow: units worth nothing are bought last.

    With costs, which the paper has not, it is greedy on reward per cost along each row's concave envelope,
    and ends within one step of the optimum: see `costs.buy`.

    Args:
        delta: Marginal rewards, shape (n, b_max), finite; `delta[i, j-1]` is unit j's. Without costs no row
            may increase after its minimum: regressed rows go through `from_vector` first.
        total: Units, or cost, that the window may spend, at least 0; never exceeded. Without costs a fraction
            of a unit buys nothing.
        minimum: Units that each query gets first, whatever they are worth, shape (n,) or one for all;
            default 0.
        maximum: Units that no query may exceed, shape (n,) or one for all; default and ceiling `b_max`.
        order: Rank of each query, shape (n,), lowest served first, equal ranks by index; default the index.
            Units tied at the price go to the lower j first (in rounds over the queries), then by rank.
        costs: What each unit costs, > 0, finite, broadcast to (n, b_max); for example tokens, the first unit
            dearer by the prompt's. Default: each costs 1.

    Returns:
        The budgets and the price; without costs `units.sum()` is the smaller of `total` and the sum of the
        maximums.

    Raises:
        ValueError: A row increases or is not finite, the minimums exceed `total`, `b_max` or a maximum, or a
            shape or sign is wrong; the message names the value.
    """
    _require_table(delta)
    low, high = _limits(delta.shape, minimum, maximum)
    ranks = _ranks(order, len(delta))
    if costs is not None:
        steps = chain(delta, np.broadcast_to(np.asarray(costs, dtype=np.float64), delta.shape), low, high)
        choice = buy(steps, total, order=ranks)
        return Budgets(choice.points, choice.price)
    table = _free_of_minimums(delta, low)
    price = _price(table, low, high, _left(total, low))
    above = np.clip(np.count_nonzero(table > price, axis=1), low, high)
    reach = np.clip(np.count_nonzero(table >= price, axis=1), low, high)
    return Budgets(_share_ties(above, reach, int(total), ranks), price)


def allocate_success(
    success: FloatArray,
    total: int,
    *,
    b_max: int,
    minimum: Limit = None,
    maximum: Limit = None,
    order: IntArray | None = None,
) -> Budgets:
    """Returns `allocate(from_success(success, b_max), total, ...)`, to the unit, without building that table.

    The price is guessed from some of the queries, bracketed by a few counts over all, in closed form, and
    selected among the units left in the bracket: O(n), whatever b_max.

    Args:
        success: Chance that one sample is verified correct, shape (n,), each in [0, 1].
        total: Units that the window may spend, at least the sum of the minimums.
        b_max: Largest budget considered for one query, in samples, at least 0.
        minimum: As for `allocate`.
        maximum: As for `allocate`.
        order: As for `allocate`.

    Returns:
        The budgets and the price of the table, ties included.

    Raises:
        ValueError: As `from_success` and `allocate` raise it.
    """
    rows = SuccessRows(success, b_max)
    return _select(rows, total, _limits((len(rows), b_max), minimum, maximum), _ranks(order, len(rows)))


def allocate_beta(  # noqa: PLR0913 - as allocate
    alpha: FloatArray,
    beta: FloatArray,
    total: int,
    *,
    b_max: int,
    zero: FloatArray | None = None,
    minimum: Limit = None,
    maximum: Limit = None,
    order: IntArray | None = None,
) -> Budgets:
    """Returns `allocate(from_beta(alpha, beta, b_max, zero), total, ...)`, to the unit, in O(n) memory.

    As `allocate_success`, but a count takes time in proportion to the units counted: O(n + total).

    Args:
        alpha: Pseudo-count of successes, shape (n,), finite, > 0.
        beta: Pseudo-count of failures, shape (n,), finite, > 0.
        total: Units that the window may spend, at least the sum of the minimums.
        b_max: Largest budget considered for one query, in samples, at least 0.
        zero: Share of such queries that never succeed, shape (n,), in [0, 1]; default 0.
        minimum: As for `allocate`.
        maximum: As for `allocate`.
        order: As for `allocate`.

    Returns:
        The budgets and the price of the table, ties included.

    Raises:
        ValueError: As `from_beta` and `allocate` raise it.
    """
    rows = BetaRows(alpha, beta, b_max, zero)
    return _select(rows, total, _limits((len(rows), b_max), minimum, maximum), _ranks(order, len(rows)))


def at_price(delta: FloatArray, price: float, *, minimum: Limit = None, maximum: Limit = None) -> IntArray:
    """Returns the units worth at least a price, each query by itself: no window and no total.

    At a window's price these are its budgets with all units tied there, just above the price with none.

    Args:
        delta: As for `allocate`, without costs.
        price: Marginal reward below which no unit is bought.
        minimum: As for `allocate`.
        maximum: As for `allocate`.

    Returns:
        Budgets, shape (n,), between minimum and maximum.

    Raises:
        ValueError: As `allocate` raises it.
    """
    _require_table(delta)
    low, high = _limits(delta.shape, minimum, maximum)
    worth = np.count_nonzero(_free_of_minimums(delta, low) >= price, axis=1)
    units: IntArray = np.clip(worth, low, high)
    return units


def _select(rows: Rows, total: int, limits: tuple[IntArray, IntArray], ranks: IntArray) -> Budgets:
    """`allocate` on a table that is never built."""
    low, high = limits
    least = int(low.sum())
    left = min(_left(total, low), int(high.sum()) - least)
    if left == 0:
        return Budgets(low.copy(), float("inf"))
    bracket = Bracket(rows, low, high, least + left)
    bracket.close()
    above, reach, price = bracket.above, bracket.reach, bracket.floor
    if not bracket.is_a_single_price:
        query, worth = bracket.units()
        place = len(worth) - (least + left - int(above.sum()))
        price = float(np.partition(worth, place)[place])
        reach = above + np.bincount(query[worth >= price], minlength=len(rows))
        above = above + np.bincount(query[worth > price], minlength=len(rows))
    return Budgets(_share_ties(above, reach, least + left, ranks), price)


def _price(delta: FloatArray, low: IntArray, high: IntArray, left: int) -> float:
    """The `left`-th largest marginal reward among the units after `low` and up to `high`."""
    column = np.arange(delta.shape[1])
    open_units = delta[(column >= low[:, np.newaxis]) & (column < high[:, np.newaxis])]
    if left == 0 or open_units.size == 0:
        return float("inf")
    place = max(open_units.size - left, 0)
    open_units.partition(place)
    return float(open_units[place])


def _left(total: float, low: IntArray) -> int:
    """What may be spent beyond the minimums."""
    if not total >= low.sum():  # true for NaN as well
        raise ValueError(f"total must be at least the sum of the minimums, {low.sum()}, not {total}")
    return int(total) - int(low.sum())


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
    return np.full(queries, given, dtype=np.int64)  # a broadcast view is slow to clip at


def _ranks(order: IntArray | None, queries: int) -> IntArray:
    ranks = np.arange(queries) if order is None else np.asarray(order)
    if ranks.shape != (queries,):
        raise ValueError(f"order must have shape ({queries},), not {ranks.shape}")
    return ranks


def _require_table(delta: FloatArray) -> None:
    if delta.ndim != 2:
        raise ValueError(f"delta must have shape (n, b_max), not {delta.shape}")
    if not np.isfinite(delta).all():
        raise ValueError("delta must be finite, found inf or NaN")


def _free_of_minimums(delta: FloatArray, low: IntArray) -> FloatArray:
    """The table with units worth everything up to the minimum, where nothing is decided."""
    if low.any():
        delta = np.where(np.arange(delta.shape[1]) < low[:, np.newaxis], np.inf, delta)
    rising = delta[:, 1:] > delta[:, :-1]
    if rising.any():
        row, column = np.argwhere(rising)[0]
        pair = delta[row, column : column + 2]
        raise ValueError(f"delta[{row}] must not increase: {pair[0]} then {pair[1]}")
    return delta
