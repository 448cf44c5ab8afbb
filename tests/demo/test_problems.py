"""Proves that both domains' problems are answered exactly, repeat by seed and never leave their split."""

import operator
import subprocess
import sys
from collections import Counter
from itertools import islice
from typing import cast, get_args

import pytest

from adaqueue.core.query import Query
from adaqueue.demo.arithmetic import OPERATIONS, Calculation
from adaqueue.demo.problems import Domain, Problem, distinct_problems, problems
from adaqueue.demo.queries import demo_queries
from adaqueue.demo.split import Split

DOMAINS: tuple[Domain, ...] = get_args(Domain)
ALL_SPLITS: tuple[Split, ...] = get_args(Split)


def _some(domain: Domain, split: Split, seed: int = 0, count: int = 5000) -> list[Problem]:
    return list(islice(problems(domain, split, seed), count))


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_problem_is_in_two_splits(domain: Domain) -> None:
    seen = {split: {problem.prompt for problem in _some(domain, split)} for split in ALL_SPLITS}
    assert not seen["train"] & seen["outcomes"]
    assert not seen["train"] & seen["demo"]
    assert not seen["outcomes"] & seen["demo"]


@pytest.mark.parametrize("operation", ["+", "*"])
def test_a_calculation_and_its_mirror_image_are_in_the_same_split(operation: str) -> None:
    for left in range(50):
        assert Calculation(left, operation, 37).split == Calculation(37, operation, left).split


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("split", ALL_SPLITS)
def test_a_seed_gives_the_same_problems_again_and_another_seed_others(domain: Domain, split: Split) -> None:
    assert _some(domain, split, seed=3, count=50) == _some(domain, split, seed=3, count=50)
    assert _some(domain, split, seed=3, count=50) != _some(domain, split, seed=4, count=50)


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_queries_of_a_seed_do_not_depend_on_the_process(domain: Domain) -> None:
    code = f"from adaqueue.demo.queries import demo_queries; print(demo_queries(20, {domain!r}, 1))"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == str(demo_queries(20, domain, 1))


def test_reading_queries_and_outcomes_loads_no_torch() -> None:
    code = "import sys, adaqueue.demo.outcomes, adaqueue.demo.queries; print('torch' in sys.modules)"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == "False"


def test_every_answer_is_what_python_computes() -> None:
    compute = {"+": operator.add, "-": operator.sub, "*": operator.mul, "%": operator.mod}
    for problem in cast(list[Calculation], _some("math", "demo")):
        assert int(problem.reference) == compute[problem.operation](problem.left, problem.right)


def test_an_arithmetic_prompt_is_plain_words_and_the_reference_a_bare_integer() -> None:
    problem = Calculation(37, "*", 12)
    assert (problem.prompt, problem.reference, problem.id) == ("What is 37 * 12?", "444", "math-37-times-12")
    assert Calculation(5, "-", 12).reference == "-7"


def test_a_remainder_by_zero_and_an_unknown_operation_are_refused() -> None:
    with pytest.raises(ValueError, match="remainder by zero"):
        Calculation(5, "%", 0)
    with pytest.raises(ValueError, match="unknown operation"):
        Calculation(5, "/", 2)


def test_all_operations_and_all_lengths_of_operands_appear() -> None:
    some = cast(list[Calculation], _some("math", "train"))
    assert {problem.operation for problem in some} == set(OPERATIONS)
    lengths = Counter(len(str(problem.left)) for problem in some)
    assert set(lengths) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("domain", DOMAINS)
def test_distinct_problems_repeat_nothing_and_begin_alike_for_every_count(domain: Domain) -> None:
    longer = distinct_problems(domain, "demo", 2000, seed=0)
    assert len({problem.id for problem in longer}) == len({problem.prompt for problem in longer}) == 2000
    assert distinct_problems(domain, "demo", 100, seed=0) == longer[:100]
    with pytest.raises(ValueError, match="at least 0"):
        distinct_problems(domain, "demo", -1, seed=0)


@pytest.mark.parametrize("domain", DOMAINS)
def test_equal_ids_mean_equal_prompts(domain: Domain) -> None:
    prompts: dict[str, str] = {}
    for problem in _some(domain, "train", count=20_000):
        assert prompts.setdefault(problem.id, problem.prompt) == problem.prompt


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_demo_query_is_accepted_at_the_door(domain: Domain) -> None:
    for row in demo_queries(300, domain):
        query = Query.from_row(row)
        assert (query.id, query.domain, query.reference) == (row["id"], domain, row["reference"])
