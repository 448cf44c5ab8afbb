"""What counts as the expected output or result, and what does not."""

from typing import Any

import pytest

from adaqueue.adapters.code_compare import same_output, same_value
from adaqueue.adapters.sandbox.codec import Opaque


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("1 2\n", b"1 2"),
        ("1\n2\n", b"1 2\n\n"),
        ("0.5", b"0.5000000001"),
        ("1e3", b"1000"),
        ("-2.50", b"-2.5"),
        ("1.0", b"1"),
        ("", b" \n"),
        ("é", "é".encode()),
    ],
)
def test_an_output_with_the_expected_tokens_is_right(expected: str, output: bytes) -> None:
    assert same_output(expected, output)


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("1 2", b"12"),
        ("1 2 3", b"1 2"),
        ("1", b"1 2"),
        ("3", b"3.0"),
        ("3", b"03"),
        ("0.5", b"0.50001"),
        ("0.5", b"nan"),
        ("0.5", b"half"),
        ("1.0", b"1_0.0"),
        ("yes", b"YES"),
        ("3", b"3\x00\xff"),
        ("nan", b"0.0"),
    ],
)
def test_an_output_with_other_tokens_is_wrong(expected: str, output: bytes) -> None:
    assert not same_output(expected, output)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (3, 3),
        ([1, [2]], (1, [2])),
        ({"a": [1]}, {"a": (1,)}),
        (2.0, 2),
        (0.3, 0.1 + 0.2),
        (None, None),
        (True, True),
        ("x", "x"),
    ],
)
def test_a_result_of_the_expected_type_and_value_is_right(expected: Any, given: Any) -> None:
    assert same_value(expected, given)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (3, 3.0),
        (1, True),
        (True, 1),
        (1.0, True),
        (0, None),
        ("3", 3),
        ([1, 2], [1]),
        ([1, 2], {1, 2}),
        ({"1": 2}, {1: 2}),
        (0.5, float("nan")),
        (3, Opaque()),
    ],
)
def test_a_result_of_another_type_or_value_is_wrong(expected: Any, given: Any) -> None:
    assert not same_value(expected, given)
