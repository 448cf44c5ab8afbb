"""Plain Python values as JSON text and back; what is not plain becomes `Opaque`, which equals nothing.

Both ends use it: whoever asks, and the candidate's process, whose texts are never trusted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import Any

MAX_DEPTH = 100
MOST_KEYS = 1_000
"""In a set or dict from a program, beside text: their hashes can be chosen to be equal."""


class Opaque:
    """Stands for a value that is not plain."""


class MalformedError(ValueError):
    """The text does not describe a value."""


def dumps(value: object) -> bytes:
    """Returns the value as text; a subclass of a plain type counts as that type.

    Raises:
        RecursionError: it is nested deeper than `MAX_DEPTH`.
    """
    return json.dumps(_encoded(value, 0), separators=(",", ":")).encode("ascii")


def loads(text: bytes, most_keys: int | None = None) -> Any:
    """Returns the value that a text describes.

    Args:
        text: what `dumps` returned, or so somebody says.
        most_keys: that a set or dict may have beside text; None where the reader's own time is limited.

    Raises:
        MalformedError: it describes none.
    """
    try:
        data = json.loads(text)
        if most_keys is not None and _keys(data) > most_keys:
            raise MalformedError(f"more than {most_keys} keys that are no text")
        return _decoded(data)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise MalformedError(str(error)) from None


def _encoded(value: object, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise RecursionError("the value is nested too deeply")
    if value is None or value is True or value is False:
        return value
    for kind in type(value).__mro__:
        if kind in _ENCODERS:
            return _ENCODERS[kind](value, depth + 1)
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return _encoded(value.item(), depth + 1)  # type: ignore[attr-defined] # one number of its own kind
    return {"opaque": None}


def _int(value: int, _: int) -> object:
    value = int.__int__(value)
    return value if value.bit_length() < 64 else {"int": format(value, "x")}


def _float(value: float, _: int) -> object:
    value = float.__float__(value)
    return value if math.isfinite(value) else {"float": repr(value)}


def _complex(value: complex, depth: int) -> object:
    value = complex.__complex__(value)
    return {"complex": [_float(value.real, depth), _float(value.imag, depth)]}


def _dict(value: dict[Any, Any], depth: int) -> object:
    items = dict.items(value)
    return {"dict": [[_encoded(key, depth), _encoded(inner, depth)] for key, inner in items]}


def _items(values: Iterable[object], depth: int) -> list[Any]:
    return [_encoded(inner, depth) for inner in values]


_ENCODERS: dict[type, Callable[[Any, int], object]] = {
    str: lambda value, _: str.__str__(value),
    int: _int,
    float: _float,
    list: lambda value, depth: _items(list.__iter__(value), depth),
    tuple: lambda value, depth: {"tuple": _items(tuple.__iter__(value), depth)},
    dict: _dict,
    set: lambda value, depth: {"set": _items(set.__iter__(value), depth)},
    frozenset: lambda value, depth: {"frozenset": _items(frozenset.__iter__(value), depth)},
    bytes: lambda value, _: {"bytes": bytes.hex(value)},
    bytearray: lambda value, _: {"bytearray": bytearray.hex(value)},
    complex: _complex,
}


def _keys(data: Any) -> int:
    """Returns how many keys the largest set or dict has, text left out."""
    most, left = 0, [data]
    while left:
        found = left.pop()
        if isinstance(found, dict):
            for tag, inner in found.items():
                if tag in ("set", "frozenset", "dict"):
                    keys = inner if tag != "dict" else [key for key, _ in inner]
                    most = max(most, sum(not isinstance(key, str) for key in keys))
            left += found.values()
        elif isinstance(found, list):
            left += found
    return most


def _decoded(data: Any) -> Any:
    if isinstance(data, list):
        return [_decoded(inner) for inner in data]
    if isinstance(data, dict):
        [(tag, inner)] = data.items()
        return _DECODERS[tag](inner)
    return data


_DECODERS: dict[str, Callable[[Any], object]] = {
    "opaque": lambda _: Opaque(),
    "int": lambda digits: int(digits, 16),
    "float": float,
    "complex": lambda parts: complex(*map(_decoded, parts)),
    "tuple": lambda data: tuple(map(_decoded, data)),
    "set": lambda data: set(map(_decoded, data)),
    "frozenset": lambda data: frozenset(map(_decoded, data)),
    "dict": lambda data: {_decoded(key): _decoded(inner) for key, inner in data},
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
}
