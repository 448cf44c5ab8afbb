"""Proves that live samples become rows of recorded outcomes: verified, graded, and of two decoders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaqueue.core.recorded import RecordedQuery
from adaqueue.core.recording import RecordedSample
from adaqueue.demo.live_rows import STRONG_DRAWS, graded_rows, nearness, paired_rows, verified_rows

QUERIES = [
    {"id": "a", "domain": "math", "prompt": "What is 6 * 7?", "reference": "42"},
    {"id": "b", "domain": "math", "prompt": "What is 1 - 8?", "reference": "-7"},
]
RIGHT = {3, 20}
DRAWN = {
    "a": [
        RecordedSample("42" if n in RIGHT else "21", float(n in RIGHT), 3) for n in range(4 * STRONG_DRAWS)
    ],
    "b": [RecordedSample("no idea", 0.0, 2)],
}


@pytest.mark.parametrize(
    ("response", "reference", "expected"),
    [
        ("42", "42", 1.0),
        ("It is 21", "42", 2 / 3),
        ("-7", "7", 0.0),
        ("", "7", 0.0),
        ("0", "0", 1.0),
        ("5, 7", "7", 1),
    ],
)
def test_nearness_is_one_less_the_relative_distance(response: str, reference: str, expected: float) -> None:
    assert nearness(response, reference) == pytest.approx(expected)


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_nearness_is_a_share_and_one_for_the_exact_answer_alone(given_answer: int, exact: int) -> None:
    found = nearness(f"{given_answer}", f"{exact}")
    assert 0.0 <= found <= 1.0
    assert (found == 1.0) == (given_answer == exact)


def test_a_query_without_all_of_its_draws_is_left_out() -> None:
    for rows in (verified_rows(QUERIES, DRAWN), graded_rows(QUERIES, DRAWN), paired_rows(QUERIES, DRAWN)):
        assert [row["id"] for row in rows] == ["a"]
    assert verified_rows(QUERIES, {}) == []


def test_rows_are_what_evaluate_reads() -> None:
    (right,), (graded,) = verified_rows(QUERIES, DRAWN), graded_rows(QUERIES, DRAWN)
    assert sum(RecordedQuery.from_row(right, 1).rewards) == len(RIGHT)
    read = RecordedQuery.from_row(graded, 1)
    assert set(read.rewards) == {1.0, nearness("21", "42")}
    assert read.tokens == 3
    assert "reference" not in graded


def test_two_decoders_share_no_draw_and_the_strong_one_is_the_best_of_eight() -> None:
    (row,) = paired_rows(QUERIES, DRAWN)
    assert row["weak"]["rewards"] == [float(n in RIGHT) for n in range(STRONG_DRAWS)]
    assert row["strong"]["rewards"] == [0.0, 1.0, 0.0]
    assert row["cost"] == {"weak": 1, "strong": STRONG_DRAWS}
    assert RecordedQuery.from_row(row, 1).strong is not None
