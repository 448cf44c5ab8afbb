"""Splits of queries into folds that keep groups whole."""

from __future__ import annotations

import numpy as np

from adaqueue.core.marginal import FloatArray, IntArray


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
