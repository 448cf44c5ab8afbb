"""The policies: what is known of a window's queries in, budgets out, one interface for all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from adaqueue.core.allocate import Budgets, allocate
from adaqueue.core.marginal import FloatArray, IntArray, from_success
from adaqueue.errors import SettingsError


def _equal_rewards(success: FloatArray, b_max: int) -> FloatArray:
    """Rows that tie everywhere, which leaves only the tie rule: one unit each, then the next round."""
    return np.broadcast_to(np.float64(0.0), (len(success), b_max))


_MARGINALS: dict[str, Callable[[FloatArray, int], FloatArray]] = {
    "uniform": _equal_rewards,
    "window": from_success,
}

POLICIES: tuple[str, ...] = tuple(_MARGINALS)
"""The policies' names, as settings and the command line give them."""


def decide(  # noqa: PLR0913 - all that a policy may look at, in one call for every policy
    policy: str,
    success: FloatArray,
    total: int,
    *,
    b_max: int,
    minimum: IntArray | int | None = None,
    maximum: IntArray | int | None = None,
    order: IntArray | None = None,
) -> Budgets:
    """Returns the window's budgets under the named policy.

    `uniform` gives every query the same, the remainder by `order`, filled up evenly where a minimum or
    maximum binds; its price is 0, for it looks at no reward. `window` is the paper's online allocation:
    greedy on the marginal rewards that `success` implies.

    Args:
        policy: One of `POLICIES`.
        success: Predicted chance that one sample is verified correct, shape (n,), in [0, 1].
        total: Units that the window may spend, average budget times n, at least 0.
        b_max: Largest budget considered for one query, in units, at least 0.
        minimum: Units that each query gets first, shape (n,) or one for all; default 0.
        maximum: Units that no query may exceed, shape (n,) or one for all; default and ceiling `b_max`.
        order: Rank of each query for ties, shape (n,), lowest first; see `fair_order`; default the index.

    Returns:
        The budgets; they sum to the smaller of `total` and the sum of the maximums.

    Raises:
        SettingsError: No policy has this name.
        ValueError: As `allocate` and `from_success` raise it.
    """
    if policy not in _MARGINALS:
        raise SettingsError(f"unknown policy {policy!r}; known: {', '.join(POLICIES)}")
    delta = _MARGINALS[policy](success, b_max)
    return allocate(delta, total, minimum=minimum, maximum=maximum, order=order)


def fair_order(ids: Sequence[str], seed: int) -> IntArray:
    """Returns each query's rank for ties, drawn from a seeded hash of its id.

    Neither arrival nor the other queries change who of two comes first; another seed does.

    Args:
        ids: The queries' ids, n of them.
        seed: Any integer; the same seed gives the same ranks on every machine.

    Returns:
        Ranks, shape (n,), a permutation of 0..n-1; equal ids rank in the order given.
    """
    key = hashlib.blake2b(str(seed).encode()).digest()
    hashes = [hashlib.blake2b(query_id.encode(), digest_size=16, key=key).digest() for query_id in ids]
    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[sorted(range(len(ids)), key=hashes.__getitem__)] = np.arange(len(ids))
    return ranks
