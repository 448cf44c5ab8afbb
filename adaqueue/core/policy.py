"""Policies that buy once: what is believed of a window's queries in, budgets out, one interface for all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adaqueue.core.allocate import Budgets, allocate, allocate_beta, allocate_success
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.decisions import Prediction
from adaqueue.core.marginal import IntArray
from adaqueue.errors import SettingsError


def _uniform(predictions: Sequence[Prediction], total: int, b_max: int, **limits: Any) -> Budgets:
    """Rows that tie everywhere, which leaves only the tie rule: one unit each, then the next round."""
    return allocate(np.broadcast_to(np.float64(0.0), (len(predictions), b_max)), total, **limits)


def _window(predictions: Sequence[Prediction], total: int, b_max: int, **limits: Any) -> Budgets:
    """The paper's rows: of each query's mean success probability, as if it were known."""
    success = np.array([said.success for said in predictions], dtype=np.float64)
    return allocate_success(success, total, b_max=b_max, **limits)


def _beta_window(predictions: Sequence[Prediction], total: int, b_max: int, **limits: Any) -> Budgets:
    """Rows that know how uncertain the probability is."""
    beliefs = Beliefs.of_predictions(predictions)
    return allocate_beta(beliefs.alpha, beliefs.beta, total, b_max=b_max, zero=beliefs.zero, **limits)


_POLICIES: dict[str, Callable[..., Budgets]] = {
    "uniform": _uniform,
    "window": _window,
    "beta_window": _beta_window,
}

ONCE: tuple[str, ...] = tuple(_POLICIES)
"""Names of the policies that buy once, as settings and the command line give them."""


def decide(  # noqa: PLR0913 - all that a policy may look at, in one call for every policy
    policy: str,
    predictions: Sequence[Prediction],
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
    greedy on the marginal rewards that the mean success probabilities imply; `beta_window` is the same with
    those of the whole Beta, which do not take an uncertain query for a hopeless or a sure one.

    Args:
        policy: One of `ONCE`.
        predictions: What is believed of each query, n of them.
        total: Units that the window may spend, average budget times n, at least 0.
        b_max: Largest budget considered for one query, in units, at least 0.
        minimum: Units that each query gets first, shape (n,) or one for all; default 0.
        maximum: Units that no query may exceed, shape (n,) or one for all; default and ceiling `b_max`.
        order: Rank of each query for ties, shape (n,), lowest first; see `fair_order`; default the index.

    Returns:
        The budgets; they sum to the smaller of `total` and the sum of the maximums.

    Raises:
        SettingsError: No policy has this name.
        ValueError: As `allocate` raises it.
    """
    if policy not in _POLICIES:
        raise SettingsError(f"unknown policy {policy!r}; known: {', '.join(ONCE)}")
    return _POLICIES[policy](predictions, total, b_max, minimum=minimum, maximum=maximum, order=order)


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
