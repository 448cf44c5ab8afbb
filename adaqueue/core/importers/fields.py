"""Fields of a published record, each of the type that it should have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from adaqueue.errors import BadQueryError


def text(record: Mapping[str, Any], name: str) -> str:
    """Returns a field that must hold text."""
    value = record.get(name)
    if not isinstance(value, str):
        raise BadQueryError(name, value, "the format has text there")
    return value


def text_or_none(record: Mapping[str, Any], name: str) -> str:
    """Returns a field that holds text, or is absent or null: then no text."""
    return "" if record.get(name) is None else text(record, name)


def texts(record: Mapping[str, Any], name: str) -> list[str]:
    """Returns a field that holds a list of texts; empty where it is absent."""
    value = record.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadQueryError(name, value, "the format has a list of texts there")
    return value


def inner(record: Mapping[str, Any], name: str, kind: type) -> Any:
    """Returns what the JSON text in a field says; an empty `kind` where there is none.

    Args:
        record: has the field as JSON text, or as what that text would say.
        name: of the field.
        kind: what it says: dict or list.
    """
    value = record.get(name)
    if isinstance(value, str) and value.strip():
        value = parsed(name, value)
    if not value:
        return kind()
    if not isinstance(value, kind):
        raise BadQueryError(name, value, f"the format has a JSON {kind.__name__} there")
    return value


def parsed(name: str, value: str) -> Any:
    """Returns what a JSON text says."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise BadQueryError(name, value, f"is no JSON: {error}") from None


def metadata(record: Mapping[str, Any], source: str, *names: str) -> dict[str, Any]:
    """Returns the data set's name as `source`, and the named fields that the record has."""
    return {"source": source, **{name: record[name] for name in names if record.get(name) not in (None, "")}}


def digest_id(source: str, *parts: str) -> str:
    """Returns an id for a record that has none: the same for the same content, whatever file it stands in."""
    content = json.dumps(parts).encode()
    return f"{source}/{hashlib.blake2b(content, digest_size=8).hexdigest()}"
