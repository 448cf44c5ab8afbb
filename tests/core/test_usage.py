"""Proves that what policies are said to do with their samples adds up, and agrees with simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from adaqueue.core.evaluation import Evaluation, Plan, Prepared, evaluate
from adaqueue.core.marginal import IntArray
from adaqueue.core.splits import Recorded, Scores
from adaqueue.core.usage import ERRORS, Usages
from adaqueue.core.ways import known_ways
from tests.recorded import recorded

QUERIES, DRAWS, BUDGETS = 90, 16, (1, 2, 4)
CHANCE = np.random.default_rng(0).beta(0.4, 0.6, QUERIES)
VERDICTS = (np.random.default_rng(1).random((QUERIES, DRAWS)) < CHANCE[:, None]).astype(np.float64)
COSTS = np.random.default_rng(2).uniform(10, 300, QUERIES)


def score(known: IntArray, asked: IntArray, _: int) -> Scores:
    scores = logit(CHANCE.clip(0.02, 0.98)) + 0.5 * np.random.default_rng(3).normal(size=QUERIES)
    return Scores(scores[known], scores[asked])


@pytest.fixture(scope="module")
def found() -> Evaluation:
    outcomes = recorded(VERDICTS, tokens=COSTS)
    return evaluate(outcomes, Prepared(score, {}, 0), Plan(BUDGETS, 2, 1), lambda *_: None)


def test_thirds_average_to_the_samples_spent_and_hard_queries_get_most_where_a_success_stops(
    found: Evaluation,
) -> None:
    for name, row in found.usage.items():
        for budget, own in row.items():
            assert np.mean(own.thirds) == pytest.approx(found.policies[name][budget].samples)
    hard, _, easy = found.usage["uniform_early_stop"][4].thirds
    assert hard > 4 > easy
    assert found.usage["uniform"][4].thirds == pytest.approx((4, 4, 4))


def test_rounds_are_all_samples_where_one_waits_for_another_and_at_most_one_else(found: Evaluation) -> None:
    for name in ("uniform_early_stop", "sequential", "sequential_beta", "window_early_stop"):
        for budget, own in found.usage[name].items():
            assert own.rounds == pytest.approx(found.policies[name][budget].samples)
    assert found.usage["uniform"][2].rounds == pytest.approx(1)
    assert 0 < found.usage["oracle"][1].rounds < 1


def test_a_limit_of_all_recorded_samples_changes_nothing_and_a_lower_one_never_helps_the_oracle(
    found: Evaluation,
) -> None:
    for name, row in found.usage.items():
        for budget, own in row.items():
            assert list(own.limited) == [8, 16]
            assert own.limited[16] == pytest.approx(found.policies[name][budget].reward)
    for own in found.usage["sequential_oracle"].values():
        assert own.limited[8] <= own.limited[16] + 1e-12


def test_a_verifier_without_errors_changes_nothing_and_errors_cost(found: Evaluation) -> None:
    for name, row in found.usage.items():
        for budget, own in row.items():
            assert list(own.erring) == list(ERRORS)
            assert own.erring[0.0, 0.0] == pytest.approx((found.policies[name][budget].reward, 1.0))
            answered, right = own.erring[0.1, 0.2]
            assert answered < own.erring[0.0, 0.0][0]
            assert right < 1 == pytest.approx(own.erring[0.0, 0.2][1])


def test_tokens_are_charged_by_query(found: Evaluation) -> None:
    assert found.usage["uniform"][4].tokens == pytest.approx(1)
    assert found.usage["oracle"][4].tokens != pytest.approx(found.needed["oracle"][4].share)
    queries = Recorded.of(recorded(VERDICTS))
    for tokens, known in ((np.full(QUERIES, 7.0), True), (np.append(COSTS[1:], np.nan), False)):
        usages = Usages(queries, BUDGETS, tokens)
        for way in known_ways(queries.survival, queries.rates, BUDGETS):
            usages.read(way)
        for name, row in usages.found(CHANCE).items():
            for budget, own in row.items():
                share = found.needed[name][budget].share if known else None
                assert own.tokens == (None if share is None else pytest.approx(share))


def test_early_stop_of_an_erring_verifier_is_what_a_simulation_of_it_comes_to() -> None:
    queries = Recorded.of(recorded(VERDICTS))
    usages = Usages(queries, (3,), np.full(QUERIES, np.nan))
    ways = {way.policy: way for way in known_ways(queries.survival, queries.rates, (3,))}
    usages.read(ways["uniform_early_stop"])
    told = usages.found(CHANCE)["uniform_early_stop"][3].erring[0.1, 0.2]
    rng, right, answered, left = np.random.default_rng(4), 0, 0, 3 * QUERIES * 400
    drawn = rng.permuted(np.repeat(VERDICTS, 400, axis=0), axis=1) > 0
    accepted = rng.random(drawn.shape) < np.where(drawn, 0.8, 0.1)
    unsolved = np.arange(len(drawn))
    for turn in range(DRAWS):  # round by round, until the samples are spent
        unsolved = rng.permutation(unsolved)[:left]
        left -= len(unsolved)
        hit = accepted[unsolved, turn]
        answered += int(hit.sum())
        right += int((hit & drawn[unsolved, turn]).sum())
        unsolved = unsolved[~hit]
        if not left:
            break
    assert told[0] == pytest.approx(right / len(drawn), abs=0.01)
    assert told[1] == pytest.approx(right / answered, abs=0.01)


def test_predictions_are_binned_and_outcomes_counted(found: Evaluation) -> None:
    assert found.predictions is not None
    bins = found.predictions.calibration
    assert sum(own.queries for own in bins) == QUERIES == len(found.predictions.points)
    assert all(own.low <= own.observed <= own.high for own in bins)
    assert [own.predicted for own in bins] == sorted(own.predicted for own in bins)
    spread = found.distribution
    assert sum(spread.share) == pytest.approx(1)
    assert len(spread.edges) == len(spread.share) + 1
    assert spread.zero == np.mean(VERDICTS.mean(axis=1) == 0)
    assert spread.one == np.mean(VERDICTS.mean(axis=1) == 1)
