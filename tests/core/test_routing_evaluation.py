"""Proves that routing is evaluated by what never saw the queries, controls gain nothing, and figures fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from adaqueue.core.evaluation import Prepared
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.recorded import RecordedQuery
from adaqueue.core.routing_evaluation import (
    CONTROLS,
    SHARES,
    RoutingEvaluation,
    cascade,
    evaluate_routing,
    out_of_fold,
)
from adaqueue.core.routing_pairs import Pairs, preference
from adaqueue.core.splits import Scores

QUERIES = 400
RNG = np.random.default_rng(3)
CHANCES = np.stack([RNG.beta(1, 1, QUERIES), RNG.beta(2, 1, QUERIES)])
"""Of a success of the weak and of the strong decoder."""


def pairs(samples: int, real: bool = False) -> Pairs:
    rng = np.random.default_rng(4)
    drawn = rng.random((2, QUERIES, samples))
    rewards = drawn + 3 * CHANCES[:, :, None] if real else (drawn < CHANCES[:, :, None]).astype(float)
    rows = [
        RecordedQuery.from_row(
            {
                "domain": "math",
                "prompt": f"query {place}",
                "weak": {"rewards": weak.tolist()},
                "strong": {"rewards": strong.tolist()},
            },
            place,
        )
        for place, (weak, strong) in enumerate(zip(*rewards, strict=True))
    ]
    return Pairs.of(rows, np.arange(QUERIES))


def knowing(target: FloatArray, calls: list[tuple[IntArray, IntArray]] | None = None) -> Prepared:
    """A probe that knows what it is asked for, and a baseline that knows nothing."""
    score = logit(np.clip(target, 0.01, 0.99))

    def known_to(known: IntArray, asked: IntArray, _: int) -> Scores:
        if calls is not None:
            calls.append((known, asked))
        return Scores(score[known], score[asked])

    def constant(known: IntArray, asked: IntArray, _: int) -> Scores:
        return Scores(np.zeros(len(known)), np.zeros(len(asked)))

    return Prepared(known_to, {"nothing": constant}, 0)


def evaluated(given: Pairs) -> RoutingEvaluation:
    truth = 0.5 + (CHANCES[1] - CHANCES[0]) / 2
    probes = [knowing(truth) for _ in given.targets]
    return evaluate_routing(given, probes, 5, 2, lambda *_: None)


@pytest.fixture(scope="module")
def found() -> RoutingEvaluation:
    return evaluated(pairs(1))


def test_every_policy_ends_where_it_must(found: RoutingEvaluation) -> None:
    given = pairs(1)
    strong, weak = given.strong.mean(), given.weak.mean()
    for name in ("random", "routed", "oracle", "routed_by_nothing", "strong"):
        assert found.policies[name][1.0].reached.reward == pytest.approx(strong)
        assert found.policies[name][1.0].cost == pytest.approx(10.0)
    assert found.policies["weak"][0.5].reached.reward == pytest.approx(weak)
    half = found.policies["random"][0.5]
    assert half.reached.reward == pytest.approx((strong + weak) / 2)
    assert half.cost == pytest.approx(5.5)


def test_controls_and_a_probe_that_knows_nothing_gain_nothing(found: RoutingEvaluation) -> None:
    for name in ("random", CONTROLS[0], "routed_by_nothing"):
        assert [cell.share for cell in found.needed[name].values()] == pytest.approx([1.0] * len(SHARES))
    for b in SHARES:
        chance = found.policies["random"][b].reached
        assert chance.low <= chance.reward <= chance.high
        cell = found.needed[CONTROLS[1]][b]
        assert cell.low is not None
        assert cell.high is not None
        assert cell.low - 0.05 < 1 < cell.high + 0.05


def test_a_probe_that_knows_the_chances_gains_and_the_oracle_gains_more(found: RoutingEvaluation) -> None:
    for b in SHARES[:-1]:
        random, routed, oracle = (found.policies[name][b].reached for name in ("random", "routed", "oracle"))
        assert random.high < routed.reward < oracle.reward


def test_a_share_costs_the_calls_that_are_made(found: RoutingEvaluation) -> None:
    for b, cell in found.policies["routed"].items():
        assert cell.reached.samples == pytest.approx(b)
        assert cell.cost == pytest.approx(10 * b + (1 - b))
    for b, cell in found.policies["cascade"].items():
        assert cell.cost == pytest.approx(1 + 10 * cell.reached.samples)
        assert cell.reached.samples <= b


def test_a_cascade_solves_what_either_decoder_solves() -> None:
    given = pairs(1)
    order, solved = cascade(given), np.maximum(given.weak, given.strong)
    assert given.weak.mean() + order.gain.mean() == pytest.approx(solved.mean())
    assert order.calls.mean() == pytest.approx(1 - given.weak.mean())


def test_no_query_is_scored_by_a_fit_that_saw_its_fold_and_fits_are_small() -> None:
    calls: list[tuple[IntArray, IntArray]] = []
    n = 4_000
    folds = np.random.default_rng(0).integers(0, 3, n)
    truth = np.random.default_rng(1).random(n)
    score = out_of_fold(knowing(truth, calls).probe, folds, 0)
    np.testing.assert_allclose(expit(score), np.clip(truth, 0.01, 0.99))
    for known, asked in calls:
        assert len(known) == 1_500
        assert not set(folds[known]) & set(folds[asked])


def test_preferences_are_means_over_pairs_of_samples() -> None:
    weak, strong = np.array([0.0, 1.0]), np.array([2.0, -1.0, 0.5])
    mean, variance = preference(weak, strong)
    assert mean == pytest.approx(np.mean([expit(s - w) for s in strong for w in weak]))
    assert variance > 0
    assert np.isnan(preference(weak[:1], strong)[1])


def test_the_variance_of_a_preference_is_that_of_drawing_its_samples_again() -> None:
    rng = np.random.default_rng(0)
    drawn = [preference(rng.normal(0, 1, 8), rng.normal(0.5, 2, 6)) for _ in range(4_000)]
    means, variances = zip(*drawn, strict=True)
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.1)


def test_the_corrected_optimal_loss_is_that_of_the_true_preferences() -> None:
    few, many = (evaluated(pairs(samples)).predictor for samples in (6, 60))
    assert few.optimal_uncorrected < few.optimal
    assert few.optimal == pytest.approx(many.optimal, abs=2e-3)
    assert np.isnan(evaluated(pairs(1)).predictor.optimal)


def test_of_verdicts_one_prediction_tells_gain_and_preference() -> None:
    given = pairs(3)
    assert len(given.targets) == 1
    np.testing.assert_allclose(given.preferred(given.targets), given.preference)


def test_of_grades_the_gain_decides_and_the_preference_is_predicted_beside_it() -> None:
    given = pairs(3, real=True)
    gain, preferred = given.targets
    assert (gain.min(), gain.max()) == (0.0, 1.0)
    assert given.preferred([gain, preferred]) is preferred
    found = evaluated(given)
    assert "cascade" not in found.policies
    assert found.policies["routed"][0.5].reached.reward > found.policies["random"][0.5].reached.high
