"""Proves that a code query's tests come through unchanged, and that what cannot be run is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from adaqueue.core.code_reference import MAX_TESTS, code_reference
from adaqueue.core.query import Query
from adaqueue.errors import BadQueryError

STDIN = {"style": "stdin", "tests": [["1 2\n", "3\n"], ["", ""]]}
FUNCTION = {"style": "function", "entry": "f", "tests": [{"args": [1, [2.0]], "expected": {"a": None}}]}
ASSERT = {"style": "assert", "entry": "f", "check": "def check(candidate):\n    assert candidate(1) == 2\n"}


@pytest.mark.parametrize("reference", [STDIN, FUNCTION, ASSERT])
@pytest.mark.parametrize("extra", [{}, {"solution": "def f(x):\n    return x + 1\n"}])
def test_each_style_comes_through_unchanged(reference: dict[str, Any], extra: dict[str, Any]) -> None:
    assert code_reference({**reference, **extra}) == {**reference, **extra}
    query = Query("code", "Add one.", {**reference, **extra})
    assert Query.from_json(query.to_json()) == query


def test_white_space_around_a_function_s_name_is_none_of_it() -> None:
    assert code_reference({**ASSERT, "entry": "f "}) == ASSERT


def test_a_later_change_of_what_was_given_changes_no_query() -> None:
    given: dict[str, Any] = {"style": "stdin", "tests": [["1", "2"]]}
    query = Query("code", "Add one.", given)
    given["tests"].clear()
    assert query.reference == {"style": "stdin", "tests": [["1", "2"]]}


@pytest.mark.parametrize(
    ("reference", "field", "remedy"),
    [
        ("444", "reference", "a code query needs tests"),
        ({}, "reference.style", "give stdin, function or assert"),
        ({"style": ["stdin"]}, "reference.style", "give stdin, function or assert"),
        ({"style": "stdin"}, "reference.tests", "the style stdin needs it"),
        ({**STDIN, "entry": "f"}, "reference.entry", "unknown field; known are style, tests, solution"),
        ({**STDIN, "tests": []}, "reference.tests", "give a list of 1 to"),
        ({**STDIN, "tests": [["", ""]] * (MAX_TESTS + 1)}, "reference.tests", "give a list of 1 to"),
        ({**STDIN, "tests": [["1"]]}, "reference.tests[0]", "give [input, output]"),
        ({**STDIN, "tests": [["", ""], ["1", 2]]}, "reference.tests[1] output", "give text"),
        ({**STDIN, "solution": 5}, "reference.solution", "give text"),
        ({**FUNCTION, "entry": "f()"}, "reference.entry", "give the function's name"),
        ({**FUNCTION, "entry": 5}, "reference.entry", "give the function's name"),
        ({**FUNCTION, "tests": [{"args": [1]}]}, "reference.tests[0]", 'give {"args"'),
        ({**FUNCTION, "tests": [{"args": 1, "expected": 2}]}, "reference.tests[0].args", "give a list"),
        (
            {**FUNCTION, "tests": [{"args": [float("nan")], "expected": 2}]},
            "reference.tests[0].args[0]",
            "is not a finite number",
        ),
        ({**ASSERT, "check": ""}, "reference.check", "must define check(candidate)"),
        ({**ASSERT, "check": "def check(candidate"}, "reference.check", "is no Python"),
        ({**ASSERT, "check": "(" * 10_000}, "reference.check", "is no Python"),
        ({**ASSERT, "check": "assert f(1) == 2"}, "reference.check", "must define check(candidate)"),
    ],
)
def test_what_cannot_be_run_is_refused_by_field_and_remedy(
    reference: object, field: str, remedy: str
) -> None:
    with pytest.raises(BadQueryError) as caught:
        Query.from_row({"domain": "code", "prompt": "Add one.", "reference": reference})
    assert caught.value.field == field
    assert remedy in caught.value.remedy
