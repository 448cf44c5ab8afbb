"""Proves that the recorded outcomes are complete, as spread as the demo needs, and of queries kept apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from adaqueue.core.query import Query
from adaqueue.demo import MODEL_NAME
from adaqueue.demo.outcomes import record, recorded_outcomes, spread, write
from adaqueue.demo.problems import Domain, Problem, distinct_problems
from adaqueue.demo.queries import demo_queries

DOMAINS: tuple[Domain, ...] = get_args(Domain)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_recorded_query_has_thirty_two_rewards_of_zero_or_one(domain: Domain) -> None:
    outcomes = recorded_outcomes(domain)
    assert len(outcomes) == 3000
    assert len({outcome["id"] for outcome in outcomes}) == len(outcomes)
    for outcome in outcomes:
        assert list(outcome) == ["id", "domain", "prompt", "model", "rewards"]
        assert len(outcome["rewards"]) == 32
        assert set(outcome["rewards"]) <= {0, 1}
        assert (outcome["domain"], outcome["model"]) == (domain, MODEL_NAME)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_recorded_query_is_accepted_at_the_door(domain: Domain) -> None:
    for outcome in recorded_outcomes(domain):
        recording = Query.from_row(outcome).recording
        assert recording is not None
        assert recording.all_rewarded


@pytest.mark.parametrize("domain", DOMAINS)
def test_some_queries_are_hopeless_some_uncertain_and_some_sure(domain: Domain) -> None:
    shares = spread(recorded_outcomes(domain))
    assert 0.15 <= shares["below"] <= 0.60
    assert shares["between"] >= 0.15
    assert shares["above"] >= 0.15


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_recorded_queries_are_the_outcomes_split_and_none_is_a_demo_query(domain: Domain) -> None:
    recorded = {outcome["id"] for outcome in recorded_outcomes(domain)}
    split = {problem.id for problem in distinct_problems(domain, "outcomes", len(recorded), seed=0)}
    assert recorded == split
    assert not recorded & {query["id"] for query in demo_queries(3000, domain)}


@pytest.mark.parametrize("domain", DOMAINS)
def test_rewards_keep_the_order_of_drawing_and_equal_responses_are_judged_once(domain: Domain) -> None:
    asked: list[tuple[Problem, str]] = []

    def right_then_wrong(prompts: Sequence[str], samples: int) -> list[list[str]]:
        return [["right", "wrong", "right"][:samples] for _ in prompts]

    def judge(pairs: Sequence[tuple[Problem, str]]) -> list[bool]:
        asked.extend(pairs)
        return [text == "right" for _, text in pairs]

    outcomes = record(right_then_wrong, judge, domain, queries=4, samples=3)
    assert [outcome["rewards"] for outcome in outcomes] == [[1, 0, 1]] * 4
    assert [text for _, text in asked] == ["right", "wrong"] * 4


def test_the_same_outcomes_give_the_same_bytes(tmp_path: Path) -> None:
    outcomes = recorded_outcomes("code")[:50]
    write(outcomes, tmp_path / "first")
    write(outcomes, tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
