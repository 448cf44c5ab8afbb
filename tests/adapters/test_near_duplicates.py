"""Proves that near duplicates are those that comparing every text with every other finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.preprocessing import normalize

from adaqueue.adapters.near_duplicates import ALIKE, linked
from adaqueue.core.marginal import IntArray


def by_brute_force(counts: csr_matrix) -> IntArray:
    rows = normalize(counts).toarray()
    is_empty = ~rows.any(axis=1)
    alike = (rows @ rows.T >= ALIKE - 1e-9) | np.outer(is_empty, is_empty)
    return np.asarray(connected_components(alike, directed=False)[1])


def is_same_grouping(one: IntArray, other: IntArray) -> bool:
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


def texts(n: int, words: int, length: int, kinds: int, seed: int) -> csr_matrix:
    """Counts of texts that vary some kinds of text by a few words."""
    rng = np.random.default_rng(seed)
    bodies = rng.poisson(length / words, (kinds, words))
    varied = bodies[rng.integers(0, kinds, n)] + (rng.random((n, words)) < 2 / words)
    return csr_matrix(varied.astype(np.float64))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(5, 60),
    st.integers(3, 80),
    st.sampled_from([1, 5, 100]),
    st.integers(0, 9_999),
)
def test_every_pair_that_is_alike_is_found(n: int, words: int, length: int, kinds: int, seed: int) -> None:
    counts = texts(n, words, length, kinds, seed)
    assert is_same_grouping(linked(counts), by_brute_force(counts))


def test_what_is_linked_through_others_is_one_group_across_blocks() -> None:
    """Each text has one word more than the one before: neighbours are alike, the ends are not."""
    chain = csr_matrix(np.tril(np.ones((200, 200)))[20:])
    assert by_brute_force(chain[[0, -1]]).tolist() == [0, 1]
    assert set(linked(chain).tolist()) == {0}


def test_texts_without_words_are_like_each_other_alone() -> None:
    groups = linked(csr_matrix(np.array([[0.0, 0.0], [1, 0], [0, 0], [2, 0]])))
    assert groups[0] == groups[2] != groups[1] == groups[3]


def test_a_single_text_is_a_group() -> None:
    assert linked(csr_matrix((1, 4))).tolist() == [0]
