"""Which texts are nearly the same: none is compared with those that share none of its rare words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.preprocessing import normalize

from adaqueue.core.marginal import IntArray

ALIKE = 0.9
"""Cosine of their counts from which on two texts are one."""
BLOCK = 64
ROUNDING = 1e-9


def linked(counts: csr_matrix) -> IntArray:
    """Returns a number for each text, the same for those linked by a chain of cosines of `ALIKE`, shape (n,).

    Two texts that are alike share one of each other's rarest words, those without which the rest is too short
    to reach the cosine (Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity search"). Only texts
    that do are compared, a block at a time: time grows with the square of n only where all texts are of one
    template, memory never does.

    Args:
        counts: of each text's words, sparse, shape (n, d), n at least 1, no count below 0.
    """
    first, same = _distinct(counts)
    rows = normalize(counts[first])
    heads = _rarest(rows)
    numbers = np.arange(len(first))
    for start in range(0, len(first), BLOCK):
        block = slice(start, start + BLOCK)
        mine, others = (heads[block] @ heads[start:].T).nonzero()
        apart = np.unique(others[numbers[start + mine] != numbers[start + others]]) + start
        mine, others = (rows[block] @ rows[apart].T >= ALIKE - ROUNDING).nonzero()
        numbers = _merged(numbers, numbers[start + mine], numbers[apart[others]])
    return np.asarray(numbers[same], dtype=np.int64)


def _distinct(counts: csr_matrix) -> tuple[IntArray, IntArray]:
    """Returns the place of each distinct row's first, and which distinct row each is."""
    known: dict[tuple[bytes, bytes], int] = {}
    ends = counts.indptr.tolist()
    keys = [
        (counts.indices[start:end].tobytes(), counts.data[start:end].tobytes())
        for start, end in pairwise(ends)
    ]
    same = np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)
    return np.unique(same, return_index=True)[1], same


def _rarest(rows: csr_matrix) -> csr_matrix:
    """Returns each unit row's rarest words alone: as many that all further ones fall short of `ALIKE`."""
    frequency = np.bincount(rows.indices, minlength=rows.shape[1])
    owner = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    order = np.lexsort((rows.indices, frequency[rows.indices], owner))
    before = np.concatenate([[0.0], np.cumsum(rows.data[order] ** 2)])
    rest = 1.0 - (before[:-1] - before[rows.indptr[:-1]][owner])
    kept = order[rest >= ALIKE**2 - ROUNDING]
    return csr_matrix((np.ones(len(kept)), (owner[kept], rows.indices[kept])), shape=rows.shape)


def _merged(numbers: IntArray, some: IntArray, others: IntArray) -> IntArray:
    """Returns the numbers after some were found to be the same as others."""
    if not len(some):
        return numbers
    graph = coo_matrix((np.ones(len(some)), (some, others)), shape=(len(numbers), len(numbers)))
    return np.asarray(connected_components(graph, directed=False)[1][numbers])
