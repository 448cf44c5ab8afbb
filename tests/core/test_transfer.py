"""Proves that where policies are fitted on another set, nothing of the set they are used on decides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.special import logit

from adaqueue.core.evaluation import POLICIES, Plan
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.recorded import RecordedQuery, outcomes_of
from adaqueue.core.splits import Recorded, Scores, Split
from adaqueue.core.transfer import together, transferred, unlike
from adaqueue.flows.evaluate_training import Training, taught_by
from tests.recorded import recorded

RNG = np.random.default_rng(0)
HERE, THERE = RNG.beta(0.4, 0.6, 80), RNG.beta(0.8, 0.8, 120)
PLAN = Plan((1, 4), 2, 1)


def verdicts(chance: FloatArray, draws: int, seed: int) -> FloatArray:
    return (np.random.default_rng(seed).random((len(chance), draws)) < chance[:, None]).astype(np.float64)


def score(known: IntArray, asked: IntArray, _: int) -> Scores:
    scores = logit(np.concatenate([HERE, THERE]).clip(0.02, 0.98))
    return Scores(scores[known], scores[asked])


def test_the_other_set_teaches_and_this_one_is_asked_whatever_its_samples() -> None:
    calls: list[tuple[IntArray, IntArray]] = []

    def watched(known: IntArray, asked: IntArray, seed: int) -> Scores:
        calls.append((known, asked))
        return score(known, asked, seed)

    here, there = recorded(verdicts(HERE, 16, 1)), recorded(verdicts(THERE, 6, 2))
    policies, needed, predictor = transferred(here, there, watched, PLAN)
    assert [(list(known), list(asked)) for known, asked in calls] == [(list(range(80, 200)), list(range(80)))]
    assert list(policies) == list(needed) == list(POLICIES)
    assert predictor.loss < predictor.average
    shares = {name: row[1].share or np.inf for name, row in needed.items()}
    assert shares["sequential_oracle"] < shares["sequential"] < 0.9
    assert needed["uniform"][4].share == 1


def test_other_outcomes_of_this_set_change_no_decision() -> None:
    scores = score(np.arange(80, 200), np.arange(80), 0)
    taught = Recorded.of_training(recorded(verdicts(THERE, 6, 2)), 16)
    one, two = (Split.of_one(taught, scores, 16, (1, 4), 0) for _ in range(2))
    assert np.array_equal(one.rows, two.rows)
    assert one.rows.shape == (80, 16)
    assert (np.diff(one.rows, axis=1) <= 1e-12).all()
    alive = {seed: Recorded.of(recorded(verdicts(HERE, 16, seed))).survival for seed in (3, 4)}
    owners = [[way.bought.owner for way in one.ways(own, (1, 4))] for own in alive.values()]
    assert all(np.array_equal(a, b) for a, b in zip(*owners, strict=True))


def test_near_duplicates_of_this_set_s_prompts_are_told_apart() -> None:
    numbers = np.array([0, 1, 1, 2, 1, 5, 0, 7, 7])
    assert list(unlike(numbers, [None] * 9, 4)) == [1, 3, 4]


def test_rows_of_a_named_group_of_this_set_do_not_teach() -> None:
    groups = ["a", "b", None, "a", "c", None, "b", "c"]
    assert list(unlike(np.arange(8), groups, 3)) == [1, 2, 4]


def row(group: str | None, said: str) -> RecordedQuery:
    named = {} if group is None else {"group": group}
    return RecordedQuery.from_row({"domain": "code", "prompt": said, "rewards": [0, 1], **named}, 1)


def test_what_is_left_of_other_sets_shares_neither_prompt_nor_named_group_and_the_rest_is_counted() -> None:
    here = [row(f"task {number}", f"the input of {number}") for number in range(20)]
    there = [row(f"task {number}", f"the output of {number}") for number in range(8, 40)]
    there += [row(None, "the input of 3"), row(None, "another")]

    def same_words(prompts: Sequence[str]) -> IntArray:
        return np.unique(prompts, return_inverse=True)[1]

    found = taught_by(Training(("there",), there), here, outcomes_of(here, same_words), same_words)
    assert [own.group for own in found.queries] == [*(f"task {number}" for number in range(20, 40)), None]
    assert found.left_out == 13


def test_numbers_of_groups_of_two_sets_put_together_are_not_taken_for_one_another() -> None:
    rewards = np.zeros((3, 2))
    both = together(recorded(rewards, np.array([4, 4, 9])), recorded(rewards, np.array([0, 4, 4])))
    assert len(both) == 6
    assert not set(both.groups[:3]) & set(both.groups[3:])
    assert both.groups[4] == both.groups[5]
    assert both.samples == pytest.approx(2)
