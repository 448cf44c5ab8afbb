"""Proves that the recorded outcomes are complete, as spread as the demo needs, and of queries kept apart."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest

from adaqueue.demo import MODEL_NAME
from adaqueue.demo.grammar import distinct_problems
from adaqueue.demo.outcomes import is_correct, main, record, recorded_outcomes, spread, write
from adaqueue.demo.queries import demo_queries


def test_every_recorded_query_has_thirty_two_rewards_of_zero_or_one() -> None:
    outcomes = recorded_outcomes()
    assert len(outcomes) >= 2500
    assert len({outcome["id"] for outcome in outcomes}) == len(outcomes)
    for outcome in outcomes:
        assert list(outcome) == ["id", "domain", "prompt", "reference", "model", "rewards"]
        assert len(outcome["rewards"]) == 32
        assert set(outcome["rewards"]) <= {0, 1}
        assert outcome["model"] == MODEL_NAME


def test_some_queries_are_hopeless_some_uncertain_and_some_sure() -> None:
    shares = spread(recorded_outcomes())
    assert 0.15 <= shares["below"] <= 0.60
    assert shares["between"] >= 0.15
    assert shares["above"] >= 0.40


def test_the_recorded_queries_are_the_outcomes_split_and_none_is_a_demo_query() -> None:
    recorded = {outcome["id"] for outcome in recorded_outcomes()}
    split = {problem.id for problem in distinct_problems("outcomes", len(recorded), seed=0)}
    assert recorded == split
    assert not recorded & {query["id"] for query in demo_queries(3000)}


@pytest.mark.parametrize(
    ("response", "right"),
    [
        ("444", True),
        (" 444\n", True),
        ("0444", True),
        ("-444", False),
        ("44", False),
        ("", False),
        ("4 44", False),
    ],
)
def test_a_response_is_right_if_it_is_the_reference_as_an_integer(response: str, right: bool) -> None:
    assert is_correct(response, "444") is right


def test_rewards_keep_the_order_of_drawing() -> None:
    def right_then_wrong(prompts: Sequence[str], samples: int) -> list[list[str]]:
        answers = {problem.prompt: problem.reference for problem in distinct_problems("outcomes", 4, seed=0)}
        return [[answers[prompt], "no number", answers[prompt]][:samples] for prompt in prompts]

    assert [outcome["rewards"] for outcome in record(right_then_wrong, 4, 3, seed=0)] == [[1, 0, 1]] * 4


def test_the_script_writes_a_file_of_the_recorded_form(tmp_path: Path) -> None:
    output = tmp_path / "outcomes.jsonl.gz"
    main(["--output", str(output), "--queries", "5", "--samples", "3", "--seed", "7"])
    assert len(gzip.decompress(output.read_bytes()).splitlines()) == 5


def test_the_same_outcomes_give_the_same_bytes(tmp_path: Path) -> None:
    outcomes = recorded_outcomes()[:50]
    write(outcomes, tmp_path / "first")
    write(outcomes, tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
