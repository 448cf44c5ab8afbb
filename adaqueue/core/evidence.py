"""Whether the likelihood of logged outcomes is valid for a new probe, whatever decided on their budgets.

It is if budgets depended only on outcomes, which the likelihood accounts for, and on inputs that the new
probe sees too; and if no region of queries had budget 0 throughout. An old probe that gave nothing to its
lowest 40% would have the new one believe that all queries are like the others.
"""

from __future__ import annotations

import numpy as np

from adaqueue.core.logged import Logged
from adaqueue.core.marginal import BoolArray, FloatArray
from adaqueue.errors import NoSupportError

REGIONS = 10
LEAST_QUERIES = 50
"""Of a probe, to have regions."""

LEAST_SHARE = 0.005
"""Of a region's queries that must have drawn: a quarter of the default exploration."""


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


def require_every_region(logged: Logged) -> None:
    """Refuses outcomes of which a region of a probe's scores, a tenth of its queries, drew next to nothing.

    Each probe that decided has regions of its own: where one gave nothing, another's queries of the
    same score say little.

    Raises:
        NoSupportError: names the region, its share, and the remedy.
    """
    names = np.array(logged.probes)
    for name in dict.fromkeys(logged.probes):
        own = np.flatnonzero(names == name)
        if len(own) >= LEAST_QUERIES:
            _require_regions(name, logged.beliefs.score[own], logged.outcomes.samples[own] > 0)


def _require_regions(probe: str, score: FloatArray, has_drawn: BoolArray) -> None:
    edges = np.unique(np.quantile(score, np.arange(1, REGIONS) / REGIONS))
    region = np.searchsorted(edges, score, side="right")
    sizes, drawn = np.bincount(region), np.bincount(region, has_drawn)
    for number in np.flatnonzero((sizes > 0) & (drawn < np.maximum(LEAST_SHARE * sizes, 1))):
        own = score[region == number]
        raise NoSupportError(
            f"{int(drawn[number])} of {sizes[number]} queries to which {probe} gave a score of "
            f"{own.min():.3g} to {own.max():.3g} drew anything: what is hardly drawn cannot be learnt; raise "
            "ADAQUEUE_EXPLORATION_SHARE, or wait until more queries were explored"
        )
