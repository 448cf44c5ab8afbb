"""Whether the likelihood of logged outcomes is valid for a new probe, whatever decided on their budgets.

It is if budgets depended only on outcomes, which the likelihood accounts for, and on inputs that the new
probe sees too; and if no region of queries had budget 0 throughout. An old probe that gave nothing to its
lowest 40% would have the new one believe that all queries are like the others.
"""

from __future__ import annotations

import numpy as np

from adaqueue.core.logged import Logged
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.errors import NoSupportError

REGIONS = 10


def admissible(logged: Logged, reads: str) -> Logged:
    """Returns the queries whose budgets depended on nothing that a new probe does not see.

    Those are the ones that were explored, those on which no probe decided (under the prior, or a
    uniform policy), and those whose probe read what the new one reads.

    Args:
        logged: outcomes with who decided on them.
        reads: fingerprint of the features that the new probe reads.
    """
    kept = [
        explored or read is None or read == reads
        for explored, read in zip(logged.explored.tolist(), logged.reads, strict=True)
    ]
    return logged.take(np.flatnonzero(kept))


def require_every_region(score: FloatArray, drawn: IntArray) -> None:
    """Refuses outcomes of which a region of scores, a tenth of the queries, drew nothing at all.

    Args:
        score: of the probe in use, or of whoever decided (`Logged.beliefs.score`), shape (n,).
        drawn: samples of each query, shape (n,).

    Raises:
        NoSupportError: names the region, its share, and the remedy.
    """
    edges = np.unique(np.quantile(score, np.arange(1, REGIONS) / REGIONS)) if len(score) else score
    region = np.searchsorted(edges, score, side="right")
    observed = np.bincount(region, drawn, minlength=1)
    for number, size in enumerate(np.bincount(region)):
        if size and not observed[number]:
            own = score[region == number]
            raise NoSupportError(
                f"no query with a score of {own.min():.3g} to {own.max():.3g} drew anything, "
                f"{size / len(score):.0%} of {len(score)}: what is never drawn cannot be learnt; raise "
                f"ADAQUEUE_EXPLORATION_SHARE, or wait until more queries were explored"
            )
