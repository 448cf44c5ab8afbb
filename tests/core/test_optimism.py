"""Proves that deciding on the draws that score flatters whatever decides, and the default is free of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from adaqueue.adapters.recorded_workshops import TextWorkshop
from adaqueue.cli.analyses import optimism as as_data
from adaqueue.cli.analyses_tables import analyses_tables
from adaqueue.core.chat_elsewhere import optimism_of_rewards, transferred_rewards
from adaqueue.core.chat_replay import evaluate_rewards
from adaqueue.core.evaluation import POLICIES, Plan, Prepared, evaluate
from adaqueue.core.marginal import IntArray
from adaqueue.core.optimism import Optimism, optimism
from adaqueue.core.recorded import RecordedQuery
from adaqueue.core.splits import Scores
from adaqueue.errors import BadOutcomesError
from adaqueue.flows.evaluate import Options, Report, report_on
from tests.recorded import recorded

QUERIES, DRAWS = 120, 8
SAME = (np.random.default_rng(0).random((QUERIES, DRAWS)) < 0.3).astype(np.float64)
"""All queries are alike: whatever tells them apart is noise."""

PLAN = Plan((1, 2, 4), 2, 1)


def memory(known: IntArray, asked: IntArray, _: int) -> Scores:
    """Knows by heart the rates of what it was fitted on, and of others their mean."""
    rates = SAME.mean(axis=1).clip(0.02, 0.98)
    mean = rates[known].mean()
    told = np.where(np.isin(asked, known), rates[asked], mean)
    return Scores(np.full(len(known), logit(mean)), logit(told))


@pytest.fixture(scope="module")
def found() -> Optimism:
    outcomes = recorded(SAME)
    honest = evaluate(outcomes, Prepared(memory, {}, 0), PLAN, lambda *_: None)
    return optimism(outcomes, memory, PLAN, honest)


def test_where_nothing_can_be_known_the_default_gains_nothing_and_a_careless_evaluation_says_it_does(
    found: Optimism,
) -> None:
    assert list(found.rewards) == list(found.shares) == list(POLICIES)
    early = found.shares["uniform_early_stop"]
    for name in ("sequential", "sequential_beta"):
        for budget, pair in found.shares[name].items():
            assert pair.honest == pytest.approx(early[budget].honest, abs=0.02)
        assert (found.shares[name][1].same_draws or 1) < 0.8
        assert (found.rewards[name][1].same_draws or 0) > 1.2 * (found.rewards[name][1].honest or 1)


def test_what_decides_nothing_is_not_flattered(found: Optimism) -> None:
    for name in ("uniform", "uniform_early_stop"):
        for rows in (found.rewards, found.shares):
            for pair in rows[name].values():
                assert pair.honest == pytest.approx(pair.same_draws)


def test_an_oracle_that_reads_one_half_gains_nothing_on_the_other(found: Optimism) -> None:
    for name, level in (("oracle", 1.0), ("sequential_oracle", 1.0)):
        pair = found.shares[name][1]
        assert pair.honest is not None
        assert pair.same_draws is not None
        assert pair.honest > level - 0.1
        assert pair.same_draws < 0.75


def test_budgets_beyond_half_of_the_samples_have_no_halves() -> None:
    outcomes, plan = recorded(SAME[:, :3]), Plan((1, 2), 2, 1)
    told = optimism(
        outcomes, memory, plan, evaluate(outcomes, Prepared(memory, {}, 0), plan, lambda *_: None)
    )
    assert told.shares["oracle"][2].honest is told.shares["oracle"][2].same_draws is None
    assert told.rewards["oracle"][1].honest is not None


def test_a_careless_probe_that_is_fitted_on_some_of_the_queries_is_said_to_be(
    found: Optimism, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (found.fitted, found.queries) == (QUERIES, QUERIES)
    monkeypatch.setattr("adaqueue.core.optimism.MOST_TRAINING", 50)
    outcomes = recorded(SAME)
    honest = evaluate(outcomes, Prepared(memory, {}, 0), PLAN, lambda *_: None)
    some = optimism(outcomes, memory, PLAN, honest)
    assert (some.fitted, some.queries) == (50, QUERIES)
    assert as_data(some)["fitted_on"] == 50
    report = Report(QUERIES, QUERIES, DRAWS, PLAN, 0, honest, "binary", None, some)
    titles = [str(table.title) for table in analyses_tables(report)]
    assert "a probe of 50 of 120 queries: understated" in titles[-1]


def test_optimism_of_two_decoders_is_refused_and_not_passed_over() -> None:
    row = {"domain": "chat", "prompt": "hi", "weak": {"rewards": [0, 1]}, "strong": {"rewards": [1, 1]}}
    options = Options(None, 2, 1, (), optimism=True)
    with pytest.raises(BadOutcomesError, match=r"optimism: .*two decoders.*without it"):
        report_on([RecordedQuery.from_row(row, 1)] * 20, TextWorkshop(), options, lambda *_: None)


def test_of_real_rewards_the_oracles_are_flattered_and_the_rule_hardly() -> None:
    rng = np.random.default_rng(1)
    grades = rng.normal(0, 1, (60, 1)) + rng.normal(0, 1, (60, 12))
    outcomes, plan = recorded(grades), Plan((1, 4, 8), 5, 1)
    honest = evaluate_rewards(outcomes, plan, lambda *_: None)
    told = optimism_of_rewards(outcomes, plan, honest)
    rule, oracle = told.shares["sequential"][4], told.shares["sequential_oracle"][4]
    assert rule.same_draws == pytest.approx(rule.honest, abs=0.1)
    assert (oracle.same_draws or 1) < (oracle.honest or 1) - 0.05
    assert told.shares["oracle"][8].honest is None
    assert told.rewards["uniform"][4].honest == pytest.approx(told.rewards["uniform"][4].same_draws)


def test_a_population_learnt_on_a_set_alike_serves_as_well_as_this_set_s_own() -> None:
    rng = np.random.default_rng(2)
    grades = rng.normal(5, 1, (120, 1)) + rng.normal(0, 1, (120, 8))
    here, there, plan = recorded(grades[:60]), recorded(grades[60:]), Plan((2, 4), 5, 1)
    own = evaluate_rewards(here, plan, lambda *_: None)
    policies, needed = transferred_rewards(here, there, plan)
    assert list(policies) == ["uniform", "sequential", "oracle", "sequential_oracle"]
    assert policies["uniform"][2].reward == pytest.approx(own.policies["uniform"][2].reward)
    assert needed["sequential"][4].share == pytest.approx(own.needed["sequential"][4].share, abs=0.05)
