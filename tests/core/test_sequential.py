"""Proves that sequential buying orders by hazards, opens at the right price, and keeps to its budget."""

from __future__ import annotations

import math
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.curves import curve
from adaqueue.core.decisions import Account, Prediction
from adaqueue.core.marginal import FloatArray
from adaqueue.core.posterior import beta_hazards, logistic_hazards, survival
from adaqueue.core.sequential import Limits, buy, hazards_of, next_index, opening_price, steered
from adaqueue.core.specs import Run
from adaqueue.errors import SettingsError

MODEST = settings(max_examples=100, deadline=None)
BETAS = st.lists(st.tuples(st.floats(0.05, 5.0), st.floats(0.05, 5.0)), min_size=1, max_size=8)
RUN = Run(UUID(int=1), "r", "transformers", "m", "sequential", 4.0, 16, False)


def believed(pairs: list[tuple[float, float]]) -> list[Prediction]:
    return [Prediction(alpha, beta, "p", "") for alpha, beta in pairs]


def hazards(pairs: list[tuple[float, float]], b_max: int = 16) -> FloatArray:
    return hazards_of("sequential", believed(pairs), b_max)


def test_a_query_with_a_rule_follows_its_curve_and_one_without_its_beta() -> None:
    ruled = replace(believed([(1.0, 1.0)])[0], curve=(0.5, -1.0, -0.1))
    found = hazards_of("sequential", [*believed([(2.0, 3.0)]), ruled], 8)
    assert found[0] == pytest.approx(beta_hazards(np.array([2.0]), np.array([3.0]), 8)[0])
    assert found[1] == pytest.approx(logistic_hazards(np.array([[0.5, -1.0, -0.1]]), 8)[0])


def test_early_stop_goes_round_by_round_whatever_is_believed() -> None:
    rows = hazards_of("uniform_early_stop", believed([(9.0, 1.0), (1.0, 9.0)]), 4)
    assert (rows[0] == rows[1]).all()
    assert (np.diff(rows[0]) < 0).all()


def test_a_policy_that_buys_once_has_no_hazards() -> None:
    with pytest.raises(SettingsError, match="'window' does not buy sequentially"):
        hazards_of("window", [], 4)


@MODEST
@given(BETAS, st.integers(0, 40), st.data())
def test_what_is_bought_keeps_limits_and_total_and_is_worth_its_price(
    pairs: list[tuple[float, float]], samples: int, data: st.DataObject
) -> None:
    n = len(pairs)
    drawn = np.array(data.draw(st.lists(st.integers(0, 16), min_size=n, max_size=n)))
    least = np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    price = data.draw(st.floats(0.0, 0.9))
    rows = hazards(pairs)
    limits = Limits(drawn, least, np.full(n, 16))
    units = buy(rows, limits, samples, price=price, waves=4, order=np.arange(n)).units
    promised = np.clip(least - drawn, 0, 16 - drawn)
    assert (units >= promised).all()
    assert (units <= np.maximum(np.minimum(1 + drawn // 4, 16 - drawn), promised)).all()
    assert units.sum() <= max(samples, promised.sum())
    extra = (units > promised) & (promised == 0)
    assert (next_index(rows, drawn)[extra] >= price).all()


def test_the_next_index_is_the_hazard_after_the_failures_and_nothing_at_the_end() -> None:
    rows = hazards([(1.0, 1.0), (1.0, 1.0)], b_max=4)
    assert next_index(rows, np.array([2, 4])).tolist() == [1 / 4, 0.0]


@MODEST
@given(BETAS, st.floats(0.1, 8.0))
def test_the_opening_price_is_the_one_at_which_the_beliefs_spend_the_budget(
    pairs: list[tuple[float, float]], average_budget: float
) -> None:
    rows = hazards(pairs)
    price = opening_price(rows, average_budget)
    drawn = survival(rows)[:, :-1]
    at_least = float(drawn[rows >= price].sum()) / len(pairs)
    above = float(drawn[rows > price].sum()) / len(pairs)
    assert above <= average_budget + 1e-9
    assert at_least >= min(average_budget, drawn.sum() / len(pairs)) - 1e-9


def test_a_closed_form_curve_and_a_simulation_of_the_rule_agree() -> None:
    """Buying at a price, one at a time, spends and wins what `curve` says at that price."""
    rng = np.random.default_rng(0)
    success = rng.beta(0.5, 0.7, 400)
    rows = np.repeat(beta_hazards(np.array([0.5]), np.array([0.7]), 12), 400, axis=0)
    rows *= rng.uniform(0.5, 1.0, 400)[:, None]
    truth = survival(np.broadcast_to(success[:, None], rows.shape))
    price = 0.12
    known = curve(rows, truth, stops=True)
    spent, won = 0, 0
    for _ in range(60):
        draws = rng.random(rows.shape) < success[:, None]
        allowed = (rows >= price).sum(axis=1)
        first = np.where(draws.any(axis=1), draws.argmax(axis=1), 99)
        spent += int(np.minimum(first + 1, allowed).sum())
        won += int((first < allowed).sum())
    assert known.at(spent / 60 / 400) == pytest.approx(won / 60 / 400, abs=0.01)


def account(balance: float, base: float | None = 0.1) -> Account:
    return Account(RUN, "t", balance, 1_000.0, base, base)


def test_debts_raise_the_price_and_credit_lowers_it() -> None:
    assert steered(account(0.0), 256, 256) == (0.1, 0.1)
    assert steered(account(-1_000.0), 256, 256)[1] == pytest.approx(0.1 * math.exp(0.2) * math.e)
    assert steered(account(1_000.0), 256, 256)[1] == pytest.approx(0.1 * math.exp(-0.2) / math.e)


def test_a_small_window_moves_the_base_by_its_share() -> None:
    whole, _ = steered(account(-500.0), 256, 256)
    half, _ = steered(account(-500.0), 128, 256)
    assert (half / 0.1) ** 2 == pytest.approx(whole / 0.1)


def test_who_may_spend_nothing_pays_any_price() -> None:
    nothing = replace(account(0.0), allowance=0.0)
    assert steered(nothing, 1, 256)[1] == math.inf


def test_an_account_without_a_price_cannot_be_steered() -> None:
    with pytest.raises(ValueError, match="no price yet"):
        steered(account(0.0, base=None), 1, 256)


@settings(max_examples=25, deadline=None)
@given(st.floats(-2.0, 2.0), st.floats(0.3, 1.5))
def test_spending_settles_at_the_budget_whatever_the_price_was(off: float, elasticity: float) -> None:
    """Windows spend `(right / price) ** elasticity` of their allowance: the balance settles near nothing."""
    right, balance, base = 0.05, 0.0, 0.05 * math.exp(off)
    for _ in range(200):
        base, price = steered(account(balance, base), 256, 256)
        balance += 1_000.0 * (1 - (right / price) ** elasticity)
    assert price == pytest.approx(right, rel=0.05)
    assert abs(balance) < 50
