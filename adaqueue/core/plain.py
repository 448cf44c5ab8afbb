"""What both the wire and the ledger can hold: text, whole and finite numbers, JSON; the rest is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from adaqueue.errors import BadQueryError

MAX_DEPTH = 20
MAX_NUMBER_BITS = 4_096


def check_text(name: str, value: object) -> None:
    """Refuses what is no text, or text with a NUL character or a lone surrogate."""
    if not isinstance(value, str):
        raise BadQueryError(name, value, "give text, in quotes")
    if "\x00" in value:
        raise BadQueryError(name, value, "contains a NUL character, which the ledger cannot hold: remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadQueryError(name, value, "is no valid Unicode (a lone surrogate): remove it") from None


def whole(name: str, value: object, low: int, high: int) -> int:
    """Returns `value`, a whole number from `low` to `high`; refuses everything else."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadQueryError(name, _shown(value), f"give a whole number from {low} to {high:,}")
    return value


def check_finite(name: str, value: object) -> None:
    """Refuses what is no number, or none that a float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise BadQueryError(name, _shown(value), "give a finite number")


def plain_object(name: str, value: object) -> dict[str, Any]:
    """Returns a copy of a JSON object in plain dicts and lists; refuses what JSON or jsonb cannot hold."""
    if not isinstance(value, Mapping):
        raise BadQueryError(name, value, "give a JSON object")
    return {key: _plain(f"{name}.{key}", value[key], 1) for key in _keys(name, value)}


def _plain(path: str, item: object, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise BadQueryError(path, type(item).__name__, f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(item, Mapping):
        return {key: _plain(f"{path}.{key}", item[key], depth + 1) for key in _keys(path, item)}
    if isinstance(item, list | tuple):
        return [_plain(f"{path}[{number}]", inner, depth + 1) for number, inner in enumerate(item)]
    _check_leaf(path, item)
    return item


def _keys(path: str, item: Mapping[Any, object]) -> list[str]:
    for key in item:
        check_text(f"{path} key", key)
    return list(item)


def _check_leaf(path: str, item: object) -> None:
    if isinstance(item, str):
        check_text(path, item)
    elif isinstance(item, float) and not math.isfinite(item):
        raise BadQueryError(path, item, "is not a finite number")
    elif isinstance(item, int) and item.bit_length() > MAX_NUMBER_BITS:
        raise BadQueryError(path, _shown(item), f"has more than {MAX_NUMBER_BITS:,} bits: give it as text")
    elif item is not None and not isinstance(item, bool | int | float):
        raise BadQueryError(path, item, "is no JSON value")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


def _shown(value: object) -> object:
    """Python refuses to print whole numbers of thousands of digits."""
    if isinstance(value, int) and value.bit_length() > MAX_NUMBER_BITS:
        return f"a number of {value.bit_length():,} bits"
    return value
