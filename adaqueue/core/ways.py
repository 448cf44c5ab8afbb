"""How policies buy: the units of all queries in an order, for some budgets or for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from adaqueue.core.curves import Purchases, known_marginals, round_robin
from adaqueue.core.marginal import FloatArray
from adaqueue.core.replays import Reading, Replay


@dataclass(frozen=True, eq=False)
class Way:
    """How a policy buys.

    Attributes:
        policy: its name, or a control's.
        places: of the budgets at which it buys in this order.
        bought: units in the order in which it buys them.
        stops: whether a success closes its query.
        control: whether it is no policy but must gain nothing; no interval is asked of it.
    """

    policy: str
    places: tuple[int, ...]
    bought: Purchases
    stops: bool
    control: bool = False


def known_ways(alive: FloatArray, rates: FloatArray, budgets: Sequence[int]) -> Iterator[Way]:
    """Yields the policies that ask no probe.

    Args:
        alive: chance that the first f draws of a query all fail, shape (n, draws + 1).
        rates: what the oracle of single samples knows of each query, shape (n,).
        budgets: average budgets B.
    """
    n, draws = len(alive), alive.shape[1] - 1
    turns, truth = round_robin(n, draws), np.repeat(rates[:, None], draws, axis=1)
    orders = {
        "uniform": (turns, False),
        "uniform_early_stop": (turns, True),
        "oracle": (known_marginals(alive), False),
        "sequential_oracle": (truth, True),
    }
    for name, (index, stops) in orders.items():
        yield Way(name, tuple(range(len(budgets))), Purchases.of(index, alive, stops=stops), stops)


def read(ways: Iterable[Way], replay: Replay) -> dict[str, list[Reading]]:
    """Returns each policy at each budget."""
    readings: dict[str, list[Reading]] = {}
    for way in ways:
        own = (
            replay.uniform()
            if way.policy == "uniform"
            else replay.at(way.bought, way.places, resampled=not way.control)
        )
        readings.setdefault(way.policy, []).extend(own)
    return readings
