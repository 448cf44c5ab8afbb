"""Proves that queries are decided for by what never saw them, that controls gain nothing, and figures fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from adaqueue.core.chat_replay import evaluate_rewards
from adaqueue.core.evaluation import CONTROLS, POLICIES, Evaluation, Plan, Prepared, evaluate
from adaqueue.core.improvement import fit
from adaqueue.core.marginal import FloatArray, IntArray, from_rewards
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.splits import Scores

QUERIES, DRAWS = 150, 16
PLAN = Plan((1, 2, 4, 8), folds=5, seeds=2)


def outcomes(rewards: FloatArray, groups: IntArray | None = None) -> Outcomes:
    n = len(rewards)
    return Outcomes(
        ids=tuple(map(str, range(n))),
        messages=tuple(({"role": "user", "content": f"query {place}"},) for place in range(n)),
        states=None,
        rewards=tuple(tuple(row) for row in rewards.tolist()),
        stopped=np.zeros(n, dtype=np.bool_),
        groups=np.arange(n) if groups is None else groups,
        tokens=np.full(n, np.nan),
    )


CHANCE = np.random.default_rng(0).beta(0.4, 0.6, QUERIES)
VERDICTS = (np.random.default_rng(1).random((QUERIES, DRAWS)) < CHANCE[:, None]).astype(np.float64)


def knowing(noise: float, calls: list[tuple[IntArray, IntArray]] | None = None) -> Prepared:
    """A probe that knows the success probability, more or less, and baselines that know it and nothing."""
    scores = logit(CHANCE.clip(0.02, 0.98)) + noise * np.random.default_rng(2).normal(size=QUERIES)

    def score(known: IntArray, asked: IntArray, _: int) -> Scores:
        if calls is not None:
            calls.append((known, asked))
        return Scores(scores[known], scores[asked])

    def constant(known: IntArray, asked: IntArray, _: int) -> Scores:
        return Scores(np.zeros(len(known)), np.full(len(asked), logit(VERDICTS[known].mean())))

    return Prepared(score, {"truth": score, "nothing": constant}, 0)


def evaluated(probes: Prepared, data: Outcomes) -> Evaluation:
    return evaluate(data, probes, PLAN, lambda *_: None)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluated(knowing(noise=0.5), outcomes(VERDICTS))


def test_every_policy_is_there_and_spends_no_more_than_its_budget(found: Evaluation) -> None:
    assert list(found.policies) == list(POLICIES)
    assert list(found.needed) == [*POLICIES, *CONTROLS]
    for row in found.policies.values():
        assert list(row) == list(PLAN.budgets)
        for budget, cell in row.items():
            assert 0 < cell.samples <= budget
            assert cell.low < cell.reward < cell.high


def test_uniform_is_the_mean_chance_of_a_success_in_so_many_draws(found: Evaluation) -> None:
    assert found.policies["uniform"][1].reward == pytest.approx(VERDICTS.mean())
    assert {cell.share for cell in found.needed["uniform"].values()} == {1.0}


def test_a_good_score_saves_samples_and_oracles_save_more(found: Evaluation) -> None:
    needed = {
        name: {b: cell.share or np.inf for b, cell in row.items()} for name, row in found.needed.items()
    }
    for budget in PLAN.budgets:
        assert needed["sequential_oracle"][budget] < needed["sequential"][budget]
        assert needed["oracle"][budget] < needed["window"][budget]
    assert needed["sequential"][1] < 0.8
    assert found.needed["sequential"][1].over_other[1] < 0  # type: ignore[operator] # it was reached


def test_controls_gain_nothing(found: Evaluation) -> None:
    for budget, early in found.needed["uniform_early_stop"].items():
        assert early.share is not None
        assert found.needed["constant score"][budget].share == pytest.approx(early.share, abs=2e-3)
        assert float(found.needed["shuffled score"][budget].share or 0) > 0.97 * early.share


def test_predictors_are_told_apart(found: Evaluation) -> None:
    truth, nothing = found.baselines["truth"], found.baselines["nothing"]
    assert found.predictor is not None
    assert truth == found.predictor
    assert truth.optimal_uncorrected < truth.optimal < truth.loss < nothing.loss
    assert nothing.loss == pytest.approx(nothing.average, abs=2e-3)
    assert truth.accuracy > 0.8
    assert np.isnan(nothing.accuracy) or nothing.accuracy < 0.6


def test_what_decides_for_a_query_saw_neither_it_nor_its_group() -> None:
    calls: list[tuple[IntArray, IntArray]] = []
    groups = np.arange(QUERIES) // 3
    evaluated(knowing(0.5, calls), outcomes(VERDICTS, groups))
    assert len(calls) == 2 * PLAN.folds * PLAN.seeds  # the probe, and the baseline that is the same
    for known, asked in calls:
        assert not set(groups[known]) & set(groups[asked])
        assert len(known) + len(asked) == QUERIES
    for split in range(PLAN.seeds):
        asked_once = [asked for _, asked in calls[split * 10 : split * 10 + PLAN.folds]]
        assert sorted(np.concatenate(asked_once)) == list(range(QUERIES))


def test_progress_is_told_after_each_split() -> None:
    told: list[tuple[str, int, int]] = []
    evaluate(outcomes(VERDICTS), knowing(0.5), Plan((1,), 5, 2), lambda *step: told.append(step))
    assert told == [("splits", 1, 2), ("splits", 2, 2)]


def graded(n: int = 40, draws: int = 8) -> FloatArray:
    rng = np.random.default_rng(3)
    return rng.normal(-5, 1, (n, 1)) + rng.normal(0, 1, (n, draws))


def test_real_rewards_of_uniform_are_the_exact_best_of_so_many() -> None:
    rewards = graded()
    told = evaluate_rewards(outcomes(rewards), Plan((1, 2, 4), 5, 2), lambda *_: None)
    exact = np.cumsum(from_rewards(rewards, 4), axis=1).mean(axis=0)
    for budget, cell in told.policies["uniform"].items():
        assert cell.reward == pytest.approx(exact[budget - 1])
        assert cell.low < cell.reward < cell.high


def test_with_real_rewards_the_rule_saves_and_oracles_save_more() -> None:
    rewards = graded()
    assert fit(rewards.tolist()).between > 0
    told = evaluate_rewards(outcomes(rewards), Plan((1, 2, 4), 5, 2), lambda *_: None)
    shares = {name: row[4].share or np.inf for name, row in told.needed.items()}
    assert shares["sequential_oracle"] < shares["sequential"] < 1 == shares["uniform"]
    assert shares["oracle"] < 1
    assert told.needed["sequential"][1].share == pytest.approx(1)
    assert (told.predictor, told.baselines, told.compared) == (None, {}, "uniform")


def test_rewards_that_are_all_moved_move_every_figure_and_change_no_share() -> None:
    rewards, plan = graded(), Plan((2,), 5, 1)
    here, there = (evaluate_rewards(outcomes(own), plan, lambda *_: None) for own in (rewards, rewards + 100))
    assert there.policies["sequential"][2].reward == pytest.approx(
        here.policies["sequential"][2].reward + 100
    )
    assert there.needed["sequential"][2].share == pytest.approx(here.needed["sequential"][2].share)
