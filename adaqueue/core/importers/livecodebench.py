"""LiveCodeBench, as in huggingface.co/datasets/livecodebench/code_generation and code_generation_lite."""

from __future__ import annotations

import base64
import binascii
import pickletools
import zlib
from collections.abc import Mapping
from typing import Any

from adaqueue.core.importers.fields import inner, metadata, parsed, text, text_or_none
from adaqueue.core.importers.tasks import function_prompt, stdin_prompt
from adaqueue.errors import BadQueryError

MOST_BYTES = 1 << 29
_TEXTS = frozenset({"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_HARMLESS = frozenset({"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"})


def query_row(record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
    """Returns the row of a record, which has no solution; see `Importer`. Public tests come first."""
    question, starter = text(record, "question_content"), text_or_none(record, "starter_code")
    tests = [*inner(record, "public_test_cases", list), *_private(record)]
    known = inner(record, "metadata", dict)
    name = text(known, "func_name") if known.get("func_name") is not None else None
    row_id = text_or_none(record, "question_id") or f"line-{number}"
    kept = ("difficulty", "platform", "contest_id", "contest_date", "question_title")
    return {
        "id": f"livecodebench/{row_id}",
        "domain": "code",
        "prompt": stdin_prompt(question, template)
        if name is None
        else function_prompt(question, starter, name, template),
        "reference": _reference(tests, name),
        "metadata": metadata(record, "livecodebench", *kept),
    }


def _reference(tests: list[Any], name: str | None) -> dict[str, Any]:
    pairs = [(_part(test, "input"), _part(test, "output")) for test in tests]
    if name is None:
        return {"style": "stdin", "tests": [list(pair) for pair in pairs]}
    return {
        "style": "function",
        "entry": name,
        "tests": [
            {"args": [parsed("input", line) for line in given.split("\n")], "expected": parsed("output", out)}
            for given, out in pairs
        ],
    }


def _part(test: object, name: str) -> str:
    if not isinstance(test, dict):
        raise BadQueryError("test_cases", test, "the format has objects with input and output there")
    return text(test, name)


def _private(record: Mapping[str, Any]) -> list[Any]:
    """Returns the private tests: JSON, or a pickled JSON text, compressed, in base64."""
    packed = text_or_none(record, "private_test_cases")
    if packed.lstrip()[:1] in ("", "["):
        return inner(record, "private_test_cases", list)  # type: ignore[no-any-return]
    tests = parsed("private_test_cases", _unpacked(packed))
    if isinstance(tests, str):
        tests = parsed("private_test_cases", tests)
    if not isinstance(tests, list):
        raise BadQueryError("private_test_cases", tests, "the format has a list of tests there")
    return tests


def _unpacked(packed: str) -> str:
    try:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(base64.b64decode(packed, validate=True), MOST_BYTES)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise BadQueryError("private_test_cases", packed, f"is no compressed base64: {error}") from None
    if not unpacking.eof:
        raise BadQueryError("private_test_cases", packed, f"is cut off, or above {MOST_BYTES:,} bytes")
    return _pickled_text(data)


def _pickled_text(data: bytes) -> str:
    """Returns the one text in a pickle that holds nothing else; it is looked at and never loaded."""
    found: list[str] = []
    try:
        for code, argument, _ in pickletools.genops(data):
            if code.name in _TEXTS:
                found.append(str(argument))
            elif code.name not in _HARMLESS:
                raise BadQueryError(
                    "private_test_cases", code.name, "is a pickle of more than a text: refused"
                )
    except ValueError as error:
        raise BadQueryError("private_test_cases", data[:20], f"is no pickle: {error}") from None
    if len(found) != 1:
        raise BadQueryError("private_test_cases", len(found), "is a pickle of more than a text: refused")
    return found[0]
