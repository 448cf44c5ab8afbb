"""The reference of a code query: the tests that a program must pass, checked at the door."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from adaqueue.core.plain import check_text, plain_object
from adaqueue.errors import BadQueryError

MAX_TESTS = 1_000
REMEDY = 'give {"style": "stdin", "function" or "assert", ...} with its tests'


def code_reference(value: object) -> dict[str, Any]:
    """Returns a plain copy of a code query's reference.

    Args:
        value: one of
            `{"style": "stdin", "tests": [[input, output], ...]}`: a program, run once a test;
            `{"style": "function", "entry": name, "tests": [{"args": [...], "expected": ...}, ...]}`;
            `{"style": "assert", "entry": name, "check": source of check(candidate)}`;
            each with an optional `"solution"`: a whole correct program.

    Raises:
        BadQueryError: names the field, its value and the remedy.
    """
    if not isinstance(value, Mapping):
        raise BadQueryError("reference", value, f"a code query needs tests: {REMEDY}")
    reference = plain_object("reference", value)
    style = reference.get("style")
    if not isinstance(style, str) or style not in _STYLES:
        raise BadQueryError("reference.style", style, "give stdin, function or assert")
    needed, check = _STYLES[style]
    for name in needed:
        if reference.get(name) is None:
            raise BadQueryError(f"reference.{name}", None, f"the style {style} needs it")
    for name in reference:
        if name not in ("style", "solution", *needed):
            known = ", ".join(("style", *needed, "solution"))
            raise BadQueryError(f"reference.{name}", reference[name], f"unknown field; known are {known}")
    if reference.get("solution") is not None:
        check_text("reference.solution", reference["solution"])
    check(reference)
    return reference


def _check_stdin(reference: Mapping[str, Any]) -> None:
    for number, test in enumerate(_tests(reference)):
        name = f"reference.tests[{number}]"
        if not isinstance(test, list) or len(test) != 2:
            raise BadQueryError(name, test, "give [input, output]")
        check_text(f"{name} input", test[0])
        check_text(f"{name} output", test[1])


def _check_function(reference: dict[str, Any]) -> None:
    _check_entry(reference)
    for number, test in enumerate(_tests(reference)):
        name = f"reference.tests[{number}]"
        if not isinstance(test, dict) or set(test) != {"args", "expected"}:
            raise BadQueryError(name, test, 'give {"args": [...], "expected": ...}')
        if not isinstance(test["args"], list):
            raise BadQueryError(f"{name}.args", test["args"], "give a list, one item an argument")


def _check_assert(reference: dict[str, Any]) -> None:
    _check_entry(reference)
    check = reference["check"]
    check_text("reference.check", check)
    try:
        body = ast.parse(check).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadQueryError("reference.check", check, f"is no Python: {error}") from None
    if not any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in body):
        raise BadQueryError("reference.check", check, "must define check(candidate)")


def _check_entry(reference: dict[str, Any]) -> None:
    entry = reference["entry"]
    if not isinstance(entry, str) or not entry.strip().isidentifier():
        raise BadQueryError("reference.entry", entry, "give the function's name")
    reference["entry"] = entry.strip()  # published sets have names with a space behind


def _tests(reference: Mapping[str, Any]) -> list[Any]:
    tests = reference["tests"]
    if not isinstance(tests, list) or not 0 < len(tests) <= MAX_TESTS:
        raise BadQueryError("reference.tests", tests, f"give a list of 1 to {MAX_TESTS:,} tests")
    return tests


_STYLES: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], None]]] = {
    "stdin": (("tests",), _check_stdin),
    "function": (("entry", "tests"), _check_function),
    "assert": (("entry", "check"), _check_assert),
}
