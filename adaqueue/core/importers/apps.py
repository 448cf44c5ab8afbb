"""APPS (github.com/hendrycks/apps) and TACO (github.com/FlagOpen/TACO), which shares its shape."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from adaqueue.core.importers.fields import inner, metadata, text, text_or_none
from adaqueue.core.importers.tasks import function_prompt, stdin_prompt, with_usual_imports
from adaqueue.errors import BadQueryError

LEFT_OUT_SOURCES = frozenset({"geeksforgeeks", "aizu"})


def apps_row(record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
    """Returns the row of an APPS record; see `Importer`."""
    row_id = record.get("problem_id", record.get("id"))
    known = metadata(record, "apps", "difficulty", "url")
    return _row(record, f"apps/{f'line-{number}' if row_id is None else row_id}", known, template)


def taco_row(record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
    """Returns the row of a TACO record, which has no id of its own; see `Importer`."""
    known = metadata(record, "taco", "difficulty", "name", "url")
    known |= {"origin": record["source"]} if record.get("source") else {}
    known |= {"skills": skills} if (skills := _skills(record)) else {}
    return _row(record, f"taco/line-{number}", known, template)


def apps_left_out(record: Mapping[str, Any]) -> str:
    """Returns why APPS's filter leaves a record out; empty if it does not."""
    tests = inner(record, "input_output", dict)
    return "" if tests.get("inputs") and tests.get("outputs") else "without tests"


def taco_left_out(record: Mapping[str, Any]) -> str:
    """Returns why the paper's filter leaves a TACO record out; empty if it does not."""
    source = text_or_none(record, "source").lower()
    return f"from {source}" if source in LEFT_OUT_SOURCES else apps_left_out(record)


def _row(
    record: Mapping[str, Any], row_id: str, known: Mapping[str, Any], template: str | None
) -> dict[str, Any]:
    question, starter = text(record, "question"), text_or_none(record, "starter_code")
    tests = inner(record, "input_output", dict)
    solutions = inner(record, "solutions", list)
    name = text(tests, "fn_name") if tests.get("fn_name") is not None else None
    reference = _reference(tests) if name is None else _function_reference(tests, name)
    if solutions and isinstance(solutions[0], str):
        solution = solutions[0].replace("\r\n", "\n")
        reference["solution"] = solution if name is None else with_usual_imports(solution)
    return {
        "id": row_id,
        "domain": "code",
        "prompt": stdin_prompt(question, template)
        if name is None
        else function_prompt(question, starter, name, template),
        "reference": reference,
        "metadata": dict(known),
    }


def _reference(tests: Mapping[str, Any]) -> dict[str, Any]:
    return {"style": "stdin", "tests": [[_joined(given), _joined(wanted)] for given, wanted in _pairs(tests)]}


def _function_reference(tests: Mapping[str, Any], name: str) -> dict[str, Any]:
    pairs = _pairs(tests)
    # the sets' own scripts take a result that equals what is expected or its first item: many wrap the value
    wrapped = all(isinstance(wanted, list) and len(wanted) == 1 for _, wanted in pairs)
    return {
        "style": "function",
        "entry": name,
        "tests": [{"args": given, "expected": wanted[0] if wrapped else wanted} for given, wanted in pairs],
    }


def _pairs(tests: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    given, wanted = tests.get("inputs"), tests.get("outputs")
    if not isinstance(given, list) or not isinstance(wanted, list) or not given:
        raise BadQueryError("input_output", tests, "has no inputs and outputs")
    if len(given) != len(wanted):
        raise BadQueryError("input_output", tests, f"has {len(given)} inputs and {len(wanted)} outputs")
    return list(zip(given, wanted, strict=True))


def _joined(lines: Any) -> str:
    """Returns a text that may be given as a list of its lines."""
    if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
        return "\n".join(lines)
    if not isinstance(lines, str):
        raise BadQueryError("input_output", lines, "the format has text or lines of text there")
    return lines


def _skills(record: Mapping[str, Any]) -> list[str]:
    """TACO writes lists as Python would show them."""
    try:
        found = ast.literal_eval(text_or_none(record, "skill_types") or "[]")
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    return [skill for skill in found if isinstance(skill, str)] if isinstance(found, list) else []
