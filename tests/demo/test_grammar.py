"""Proves that the demo's problems are answered exactly, repeat by seed and never leave their split."""

import operator
import subprocess
import sys
from collections import Counter
from itertools import islice

import pytest

from adaqueue.demo.grammar import OPERATIONS, Problem, Split, distinct_problems, problems
from adaqueue.demo.queries import demo_queries

ALL_SPLITS: tuple[Split, ...] = ("train", "outcomes", "demo")


def _some(split: Split, seed: int = 0, count: int = 5000) -> list[Problem]:
    return list(islice(problems(split, seed), count))


def test_no_problem_is_in_two_splits() -> None:
    seen = {split: {problem.id for problem in _some(split)} for split in ALL_SPLITS}
    assert not seen["train"] & seen["outcomes"]
    assert not seen["train"] & seen["demo"]
    assert not seen["outcomes"] & seen["demo"]


@pytest.mark.parametrize("operation", ["+", "*"])
def test_a_problem_and_its_mirror_image_are_in_the_same_split(operation: str) -> None:
    for left in range(50):
        assert Problem(left, operation, 37).split == Problem(37, operation, left).split


@pytest.mark.parametrize("split", ALL_SPLITS)
def test_a_seed_gives_the_same_problems_again_and_another_seed_others(split: Split) -> None:
    assert _some(split, seed=3, count=50) == _some(split, seed=3, count=50)
    assert _some(split, seed=3, count=50) != _some(split, seed=4, count=50)


def test_the_problems_of_a_seed_do_not_depend_on_the_process() -> None:
    code = "from adaqueue.demo.queries import demo_queries; print([q['id'] for q in demo_queries(20, 1)])"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == str([query["id"] for query in demo_queries(20, 1)])


def test_reading_queries_and_outcomes_loads_no_torch() -> None:
    code = "import sys, adaqueue.demo.outcomes, adaqueue.demo.queries; print('torch' in sys.modules)"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == "False"


def test_every_answer_is_what_python_computes() -> None:
    compute = {"+": operator.add, "-": operator.sub, "*": operator.mul, "%": operator.mod}
    for problem in _some("demo"):
        assert int(problem.reference) == compute[problem.operation](problem.left, problem.right)


def test_the_prompt_is_plain_words_and_the_reference_a_bare_integer() -> None:
    problem = Problem(37, "*", 12)
    assert (problem.prompt, problem.reference, problem.id) == ("What is 37 * 12?", "444", "math-37-times-12")
    assert Problem(5, "-", 12).reference == "-7"


def test_a_remainder_by_zero_and_an_unknown_operation_are_refused() -> None:
    with pytest.raises(ValueError, match="remainder by zero"):
        Problem(5, "%", 0)
    with pytest.raises(ValueError, match="unknown operation"):
        Problem(5, "/", 2)


def test_all_operations_and_all_lengths_of_operands_appear() -> None:
    some = _some("train")
    assert {problem.operation for problem in some} == set(OPERATIONS)
    lengths = Counter(len(str(problem.left)) for problem in some)
    assert set(lengths) == {1, 2, 3, 4, 5}


def test_distinct_problems_repeat_nothing_and_begin_alike_for_every_count() -> None:
    longer = distinct_problems("demo", 2000, seed=0)
    assert len(set(longer)) == 2000
    assert distinct_problems("demo", 100, seed=0) == longer[:100]
    with pytest.raises(ValueError, match="at least 0"):
        distinct_problems("demo", -1, seed=0)


def test_demo_queries_carry_id_domain_prompt_and_reference() -> None:
    query = demo_queries(1)[0]
    assert set(query) == {"id", "domain", "prompt", "reference"}
    assert query["domain"] == "math"
    assert query["prompt"].startswith("What is ")
