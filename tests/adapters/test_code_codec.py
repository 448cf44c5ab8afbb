"""Plain values survive the way between processes; what is not plain arrives as nothing."""

import json
import math
from collections import Counter, defaultdict, namedtuple
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaqueue.adapters.sandbox import codec

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
)
HASHABLE = st.recursive(LEAVES, lambda inner: st.lists(inner).map(tuple) | st.frozensets(inner), max_leaves=8)
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(HASHABLE, inner) | st.sets(HASHABLE),
    max_leaves=15,
)
Point = namedtuple("Point", "x y")


class Size(IntEnum):
    SMALL = 1


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


@given(PLAIN)
def test_a_plain_value_comes_back_the_same(value: Any) -> None:
    back = codec.loads(codec.dumps(value))
    assert back == value
    assert repr(type(back)) == repr(type(value))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Counter("aab"), {"a": 2, "b": 1}),
        (defaultdict(int, a=1), {"a": 1}),
        (Point(1, 2), (1, 2)),
        (Size.SMALL, 1),
        (Liar(999), 999),
    ],
)
def test_a_subclass_of_a_plain_type_counts_as_that_type(value: Any, plain: Any) -> None:
    back = codec.loads(codec.dumps(value))
    assert type(back) is type(plain)
    assert back == plain


def test_nan_and_whole_numbers_of_thousands_of_digits_pass() -> None:
    assert math.isnan(codec.loads(codec.dumps(float("nan"))))
    assert codec.loads(codec.dumps(7**9_000)) == 7**9_000


def test_what_is_not_plain_equals_nothing() -> None:
    back = codec.loads(codec.dumps([object()]))
    assert back != [object()]
    assert isinstance(back[0], codec.Opaque)


def test_a_value_nested_too_deeply_is_refused() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(RecursionError):
        codec.dumps(value)


@pytest.mark.parametrize("kind", ["set", "frozenset", "dict"])
def test_keys_that_might_all_have_one_hash_are_refused_where_time_is_not_limited(kind: str) -> None:
    keys = [{"int": format(n * (2**61 - 1), "x")} for n in range(8, 2_008)]
    value = {"tuple": ["value", {kind: [[key, 1] for key in keys] if kind == "dict" else keys}]}
    text = json.dumps(value).encode()
    assert len(codec.loads(text)[1]) == 2_000
    with pytest.raises(codec.MalformedError, match="1000 keys"):
        codec.loads(text, codec.MOST_KEYS)


def test_keys_of_text_have_hashes_that_nobody_can_choose() -> None:
    value = {str(n): {n} for n in range(5_000)}
    assert codec.loads(codec.dumps(value), codec.MOST_KEYS) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"ok": 42}',
        b'{"set": [[1]]}',
        b'{"int": "x"}',
        b"[" * 100_000,
        b'{"complex": [1, 2, 3]}',
        b"\xff",
    ],
)
def test_a_forged_text_is_refused(text: bytes) -> None:
    for most_keys in (None, codec.MOST_KEYS):
        with pytest.raises(codec.MalformedError):
            codec.loads(text, most_keys)


@pytest.mark.parametrize(
    ("value", "plain"),
    [(np.int64(7), 7), (np.bool_(True), True), (np.float32(0.5), 0.5), (np.str_("a"), "a"), (np.array(3), 3)],
)
def test_a_number_of_numpy_arrives_as_the_plain_one(value: Any, plain: Any) -> None:
    back = codec.loads(codec.dumps([value]))[0]
    assert (type(back), back) == (type(plain), plain)
