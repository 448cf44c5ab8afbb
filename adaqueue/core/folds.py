"""Splits of queries into folds that keep groups whole."""

from __future__ import annotations

import numpy as np

from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.errors import BadOutcomesError


def balanced_folds(groups: IntArray, rates: FloatArray, count: int, seed: int) -> IntArray:
    """Returns the fold of each query, groups whole, every fold with nearly the same success rates.

    Without the balance a fold that is easier than average is predicted by a fit whose training queries are
    harder than average: levels of different folds would be comparable only up to an error of the wrong sign.

    Args:
        groups: queries of one number stay in one fold, shape (n,).
        rates: success rate, or another number to balance, of each query, shape (n,).
        count: folds, at least 1; some are empty where there are fewer groups.
        seed: of the split.

    Returns:
        Shape (n,), 0..count-1.
    """
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(sizes)), np.bincount(group, rates) / sizes))
    fold = np.empty(len(sizes), dtype=np.int64)
    for start in range(0, len(sizes), count):
        block = order[start : start + count]
        fold[block] = rng.permutation(count)[: len(block)]
    return fold[group]


def require_groups(groups: IntArray, count: int) -> int:
    """Returns how many groups there are, which is enough for so many folds.

    Args:
        groups: of each query, shape (n,).
        count: folds.

    Raises:
        BadOutcomesError: there are fewer than two for each fold.
    """
    found = len(np.unique(groups))
    if found < 2 * count:
        raise BadOutcomesError(
            f"folds: {count}: need {2 * count} groups of queries, named or near duplicates, "
            f"not {found} of {len(groups)} queries: give more queries, or fewer folds"
        )
    return found
