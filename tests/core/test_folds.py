"""Proves that folds keep groups whole and are equally hard."""

from __future__ import annotations

import numpy as np

from adaqueue.core.folds import balanced_folds


def test_folds_keep_groups_whole_and_are_equally_hard() -> None:
    rng = np.random.default_rng(5)
    groups = rng.integers(0, 200, 600)
    rates = rng.beta(0.3, 0.7, 200)[groups]
    folds = balanced_folds(groups, rates, 5, 0)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups.tolist()))
    assert set(folds.tolist()) == set(range(5))
    means = [rates[folds == fold].mean() for fold in range(5)]
    assert max(means) - min(means) < 0.08
    assert (folds == balanced_folds(groups, rates, 5, 0)).all()
    assert (folds != balanced_folds(groups, rates, 5, 1)).any()
