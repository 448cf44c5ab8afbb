"""Proves that records of published sets become good queries, and that bad ones are refused by field."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaqueue.core.importers import DATA_SETS
from adaqueue.core.query import Query
from adaqueue.errors import BadQueryError

HUMANEVAL: dict[str, Any] = {
    "task_id": "HumanEval/7",
    "prompt": 'def add(a, b):\n    """Add."""\n',
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
    "entry_point": "add",
}
MBPP: dict[str, Any] = {
    "task_id": 11,
    "text": "Write a function to add.",
    "code": "import math\r\ndef half(a):\r\n    return a / 2\r\ndef add(a, b):\r\n    return a + b",
    "test_list": ["assert add(1, 2) == 3", 'assert add("a\\n", "b") == "a\\nb"'],
    "test_setup_code": "",
    "challenge_test_list": ["assert add(0, 0) == 0"],
}
SANITIZED: dict[str, Any] = {
    "source_file": "x",
    "task_id": 12,
    "prompt": "Write a function to add.",
    "code": MBPP["code"],
    "test_imports": ["import math"],
    "test_list": ["assert math.isclose(add(1, 2), 3)"],
}
STDIN = {"inputs": ["1 2\n", ["3", "4"]], "outputs": ["3\n", ["7"]]}
CALLS = {"fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [[3], [7]]}
SOLUTION = "print(sum(map(int, open(0).read().split())))"
METHOD = "class Solution:\n    def add(self, a: int, b: int) -> List[int]:\n        return a + b"
APPS: dict[str, Any] = {
    "problem_id": 4,
    "question": "Add.",
    "solutions": json.dumps([SOLUTION, "print(0)"]),
    "input_output": json.dumps(STDIN),
    "difficulty": "interview",
    "url": "https://example.org/4",
    "starter_code": "",
}
TACO: dict[str, Any] = {
    "question": "Add.",
    "solutions": json.dumps([METHOD]),
    "starter_code": "class Solution:\n    def add(self, a: int, b: int) -> List[int]:\n",
    "input_output": json.dumps(CALLS),
    "difficulty": "EASY",
    "source": "leetcode",
    "url": None,
    "skill_types": "['Sorting', 'Greedy algorithms']",
}
STDIN_TESTS = [{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]
CALL_TESTS = [{"input": '[1, 2]\n"a"', "output": "[1]", "testtype": "functional"}]
LIVE: dict[str, Any] = {
    "question_title": "Sum",
    "question_content": "Add.",
    "platform": "atcoder",
    "question_id": "abc301_a",
    "contest_id": "abc301",
    "contest_date": "2023-05-13T00:00:00",
    "starter_code": "",
    "difficulty": "easy",
    "public_test_cases": json.dumps(STDIN_TESTS),
    "private_test_cases": json.dumps(STDIN_TESTS * 2),
    "metadata": "{}",
}
GOOD: list[tuple[str, dict[str, Any]]] = [
    *(("humaneval", HUMANEVAL), ("mbpp", MBPP), ("mbpp", SANITIZED)),
    *(("apps", APPS), ("taco", TACO), ("livecodebench", LIVE)),
]


def packed(value: object, protocol: int = 4) -> str:
    """As LiveCodeBench packs its private tests."""
    return base64.b64encode(zlib.compress(pickle.dumps(value, protocol=protocol))).decode()


def row(data_set: str, record: dict[str, Any], **changes: object) -> dict[str, Any]:
    return DATA_SETS[data_set].importer({**record, **changes}, 5)


@pytest.mark.parametrize(("data_set", "record"), GOOD)
def test_a_record_becomes_a_query_that_is_accepted_as_it_is(data_set: str, record: dict[str, Any]) -> None:
    found = row(data_set, record)
    query = Query.from_row(found)
    assert query.reference == found["reference"]
    assert query.metadata["source"] == data_set


def test_humaneval_keeps_the_prompt_to_be_completed_and_its_solution_is_whole() -> None:
    found = row("humaneval", HUMANEVAL)
    assert (found["id"], found["prompt"]) == ("HumanEval/7", HUMANEVAL["prompt"])
    assert found["reference"]["entry"] == "add"
    assert found["reference"]["solution"] == HUMANEVAL["prompt"] + HUMANEVAL["canonical_solution"]
    assert "solution" not in row("humaneval", HUMANEVAL, canonical_solution=None)["reference"]


def test_mbpp_finds_the_tested_function_and_keeps_what_the_tests_need() -> None:
    found, sanitized = row("mbpp", MBPP), row("mbpp", SANITIZED)
    assert found["id"] == "mbpp/11"
    assert found["reference"]["entry"] == sanitized["reference"]["entry"] == "add"
    assert "assert add(0, 0)" not in found["reference"]["check"]
    assert "\r" not in found["reference"]["solution"]
    assert found["prompt"].startswith("Write a function to add.\n\nWrite the Python function `add`")
    assert sanitized["reference"]["check"].startswith("import math\n")
    scope: dict[str, Any] = {"add": lambda a, b: a + b}
    for reference in (found["reference"], sanitized["reference"]):
        exec(reference["check"], scope)  # noqa: S102 - the test's own text
        scope["check"](scope["add"])


def test_apps_joins_lines_of_input_and_takes_the_first_solution() -> None:
    found = row("apps", APPS)
    assert found["reference"] == {
        "style": "stdin",
        "tests": [["1 2\n", "3\n"], ["3\n4", "7"]],
        "solution": SOLUTION,
    }
    assert found["id"] == "apps/4"
    assert found["metadata"] == {"source": "apps", "difficulty": "interview", "url": "https://example.org/4"}
    assert "standard input" in found["prompt"]
    assert "solution" not in row("apps", APPS, solutions="")["reference"]


def test_taco_unwraps_results_and_its_solution_has_the_imports_of_its_judge() -> None:
    found = row("taco", TACO)
    assert found["reference"]["tests"] == [{"args": [1, 2], "expected": 3}, {"args": [3, 4], "expected": 7}]
    assert found["id"] == "taco/line-5"
    assert found["metadata"]["skills"] == ["Sorting", "Greedy algorithms"]
    assert found["metadata"]["origin"] == "leetcode"
    assert TACO["starter_code"].strip() in found["prompt"]
    exec(compile(found["reference"]["solution"], "s", "exec"), {})  # noqa: S102 - the test's own text
    mixed = {**CALLS, "outputs": [[3], 7]}
    tests = row("taco", TACO, input_output=json.dumps(mixed))["reference"]["tests"]
    assert [test["expected"] for test in tests] == [[3], 7]


@pytest.mark.parametrize("private", [json.dumps(STDIN_TESTS * 2), packed(json.dumps(STDIN_TESTS * 2))])
def test_livecodebench_has_public_tests_first_then_private_ones_however_they_are_packed(private: str) -> None:
    found = row("livecodebench", LIVE, private_test_cases=private)
    assert found["reference"] == {"style": "stdin", "tests": [["1 2\n", "3\n"]] * 3}
    assert found["id"] == "livecodebench/abc301_a"
    assert found["metadata"]["difficulty"] == "easy"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_livecodebench_s_arguments_are_json_line_by_line(protocol: int) -> None:
    found = row(
        "livecodebench",
        LIVE,
        public_test_cases=json.dumps(CALL_TESTS),
        private_test_cases=packed(json.dumps(CALL_TESTS), protocol),
        metadata='{"func_name": "f"}',
        starter_code="class Solution:\n    def f(self): ...",
    )
    assert found["reference"]["tests"] == [{"args": [[1, 2], "a"], "expected": [1]}] * 2
    assert found["reference"]["entry"] == "f"


class Hostile:
    """Does harm when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('loaded')",))


@pytest.mark.parametrize(
    "private",
    [
        packed(Hostile()),
        packed(["a", "b"]),
        packed({"a": 1}),
        packed("no JSON"),
        packed('{"a": 1}'),
        packed("[1]"),
        base64.b64encode(zlib.compress(b"no pickle")).decode(),
        base64.b64encode(zlib.compress(b"x" * 1_000)[:-9]).decode(),
        base64.b64encode(b"nothing packed").decode(),
        "no base64!",
    ],
)
def test_private_tests_that_are_no_packed_text_are_refused_and_never_loaded(private: str) -> None:
    with pytest.raises(BadQueryError):
        row("livecodebench", LIVE, private_test_cases=private)


@given(st.binary(max_size=60))
def test_whatever_is_packed_is_read_or_refused(data: bytes) -> None:
    private = base64.b64encode(zlib.compress(data)).decode()
    with pytest.raises(BadQueryError):
        row("livecodebench", LIVE, private_test_cases=private)


@pytest.mark.parametrize(
    ("data_set", "changes", "field"),
    [
        ("humaneval", {"prompt": None}, "prompt"),
        ("humaneval", {"test": 5}, "test"),
        ("mbpp", {"code": "def add(:"}, "code"),
        ("mbpp", {"test_list": ["assert sub(1, 2) == 3"]}, "test_list"),
        ("mbpp", {"test_list": ["assert add(1"]}, "test_list"),
        ("mbpp", {"test_list": [5]}, "test_list"),
        ("apps", {"input_output": ""}, "input_output"),
        ("apps", {"input_output": "{"}, "input_output"),
        ("apps", {"input_output": "[]"}, "input_output"),
        ("apps", {"input_output": "[1]"}, "input_output"),
        ("apps", {"input_output": '{"inputs": ["1"], "outputs": []}'}, "input_output"),
        ("apps", {"input_output": '{"inputs": [1], "outputs": ["1"]}'}, "input_output"),
        ("apps", {"solutions": "{}{"}, "solutions"),
        ("apps", {"input_output": json.dumps({**CALLS, "fn_name": 5})}, "fn_name"),
        ("taco", {"input_output": json.dumps({**CALLS, "fn_name": ["add"]})}, "fn_name"),
        ("livecodebench", {"metadata": '{"func_name": 5}'}, "func_name"),
        ("taco", {"question": None}, "question"),
        ("livecodebench", {"public_test_cases": '[{"input": "1"}]'}, "output"),
        ("livecodebench", {"metadata": '{"func_name": "f"}'}, "input"),
    ],
)
def test_a_bad_record_is_refused_by_field(data_set: str, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadQueryError) as caught:
        row(data_set, dict(GOOD)[data_set], **changes)
    assert caught.value.field == field


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


@given(st.sampled_from(GOOD), st.data())
def test_a_field_of_any_other_kind_is_read_or_refused(
    good: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    data_set, record = good
    changed = data.draw(st.sampled_from(sorted(record)))
    value = data.draw(values | values.map(json.dumps))
    with suppress(BadQueryError):
        Query.from_row(row(data_set, record, **{changed: value}))
