"""Proves that code problems are solved by their own solutions, judged apart from them, and readable."""

import json
import random
from itertools import islice
from typing import Any, cast

import pytest

from adaqueue.demo.completions import TESTS, Completion, draw_completion, polynomial
from adaqueue.demo.problems import problems
from adaqueue.demo.steps import KINDS, Step, apply_steps, draw_steps, expression


def _some(count: int) -> list[Completion]:
    return cast(list[Completion], list(islice(problems("code", "demo", 0), count)))


def _passes(problem: Completion, response: str) -> bool:
    names: dict[str, Any] = {}
    exec(problem.prompt + response, names)  # noqa: S102 - the grammar's own solutions
    tests = problem.reference["tests"]
    return all(names["f"](*test["args"]) == test["expected"] for test in tests)


def test_every_true_response_passes_its_tests() -> None:
    for problem in _some(3000):
        assert _passes(problem, problem.response), problem


def test_a_response_that_is_off_by_one_fails() -> None:
    for problem in _some(300):
        assert not _passes(problem, problem.response + " + 1")


def test_the_tests_are_plain_whole_numbers_with_zero_and_negatives_among_the_inputs() -> None:
    for problem in _some(300):
        tests = problem.reference["tests"]
        assert len(tests) == TESTS
        assert json.loads(json.dumps(tests)) == tests
        assert all(type(test["expected"]) is int for test in tests)
        inputs = [value for test in tests for value in _numbers(test["args"][0])]
        assert 0 in inputs
        assert min(inputs) < 0 < max(inputs)


def _numbers(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]


def test_a_stub_reads_as_a_person_would_write_it() -> None:
    steps = (Step("add", 3), Step("multiply by", 4))
    problem = Completion("Return x after these steps: add 3; multiply by 4", expression(steps), "x", len)
    assert (
        problem.prompt == 'def f(x):\n    """Return x after these steps: add 3; multiply by 4."""\n    return'
    )
    assert problem.response == " (x + 3) * 4"
    assert problem.id == "code-return-x-after-these-steps-add-3-multiply-by-4"


def test_a_minus_sign_tells_ids_apart() -> None:
    ids = {Completion(f"The line with f(0) = {value}", "0", "x", abs).id for value in (-7, 7)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("coefficients", "text"),
    [
        ((4, 3), "4 * x + 3"),
        ((1, -3), "x - 3"),
        ((-1, 0), "-x"),
        ((-2, 1), "-2 * x + 1"),
        ((0, 5), "5"),
        ((0, 0), "0"),
        ((3, 0, -1), "3 * x * x - 1"),
        ((1, 1, 1), "x * x + x + 1"),
    ],
)
def test_a_polynomial_is_written_without_idle_terms(coefficients: tuple[int, ...], text: str) -> None:
    assert polynomial(*coefficients) == text


def test_an_expression_means_what_its_steps_do() -> None:
    source = random.Random(0)  # noqa: S311 - a game of chance, no secret
    for _ in range(3000):
        steps = draw_steps(source, source.randint(0, 6))
        for x in (-13, 0, 1, 8):
            assert eval(expression(steps), {"x": x}) == apply_steps(steps, x), steps  # noqa: S307 - see above


def test_every_kind_of_step_and_of_problem_appears() -> None:
    source = random.Random(0)  # noqa: S311 - a game of chance, no secret
    drawn = [draw_completion(source) for _ in range(2000)]
    specifications = " ".join(problem.specification for problem in drawn)
    for words in (*KINDS, "Return x", "Add up", "Fold into", "Multiply x", "The line", "The parabola"):
        assert words in specifications
