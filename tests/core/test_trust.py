"""Proves how far verdicts are trusted: rates by audits, and the chance that what passed is right."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from adaqueue.core.records import Verdict
from adaqueue.core.trust import (
    ASSUMED_FALSE_ACCEPT,
    JUDGE,
    Share,
    chance_right,
    false_accept,
    is_audited,
    is_trusted,
    rates,
    source,
)

UNIFORM = (1.0, 1.0)


def verdict(passed: bool, verifier: str = "math", route: str = "number") -> Verdict:
    said = "passed" if passed else "wrong_answer"
    return Verdict(UUID(int=1), 0, said, float(passed), verifier, "1", route, None, 0.0)


def judged(passed: bool) -> Verdict:
    return verdict(passed, route="judge")


def test_rates_count_what_one_does_against_what_the_other_says() -> None:
    found = rates(both=90, accepted_alone=2, other_alone=10, neither=98)
    assert found.false_accepts == Share(2, 100)
    assert found.false_rejects == Share(10, 100)
    low, high = found.false_accepts.interval()
    assert (low, high) == pytest.approx((0.00243, 0.07038), abs=1e-4)  # R: binom.test(2, 100)


def test_where_nothing_was_audited_nothing_is_known() -> None:
    assert Share(0, 0).interval() == (0.0, 1.0)
    assert np.isnan(Share(0, 0).value)


def test_the_judge_is_a_source_of_its_own() -> None:
    assert source(judged(True)) == JUDGE
    assert source(verdict(True)) == "math"
    assert source(verdict(True, "code", "judge")) == "code"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
def test_audits_take_their_share_of_samples_and_always_the_same(share: float) -> None:
    keys = [(uuid7(), number) for number in range(20_000)]
    chosen = [is_audited(key, number, share) for key, number in keys]
    assert chosen == [is_audited(key, number, share) for key, number in keys]
    assert np.mean(chosen) == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / len(keys)))


def test_only_what_audits_leave_no_doubt_of_is_held_against_a_source() -> None:
    few, many = rates(0, 1, 0, 1), rates(0, 100, 0, 300)
    assert false_accept("code", {}) == 0.0
    assert false_accept("code", {"code": few}) < 0.02
    assert 0.2 < false_accept("code", {"code": many}) < 0.25
    assert false_accept(JUDGE, {}) == ASSUMED_FALSE_ACCEPT[JUDGE]
    assert false_accept(JUDGE, {JUDGE: rates(50, 0, 0, 50)}) == ASSUMED_FALSE_ACCEPT[JUDGE]


@pytest.mark.parametrize("prior", [(1.0, 1.0), (0.3, 2.0), (4.0, 0.5)])
@pytest.mark.parametrize(("passed", "failed"), [(1, 0), (1, 6), (3, 3)])
def test_the_chance_that_what_passed_is_right_is_that_of_a_simulation(
    prior: tuple[float, float], passed: int, failed: int
) -> None:
    rate, rng = 0.15, np.random.default_rng(7)
    success = rng.beta(*prior, size=400_000)
    right = rng.random((passed + failed, success.size)) < success
    accepted = right | (rng.random(right.shape) < rate)
    alike = accepted[:passed].all(axis=0) & ~accepted[passed:].any(axis=0)
    seen = right[0, alike]
    error = 5 / np.sqrt(seen.size)
    assert chance_right(prior, passed, failed, rate) == pytest.approx(seen.mean(), abs=error)


@given(
    alpha=st.floats(0.0, 50.0),
    beta=st.floats(0.0, 50.0),
    passed=st.integers(1, 50),
    failed=st.integers(0, 1_000),
    rate=st.floats(1e-6, 0.9),
)
def test_more_failures_and_more_false_accepts_make_it_less_likely(
    alpha: float, beta: float, passed: int, failed: int, rate: float
) -> None:
    chance = chance_right((alpha, beta), passed, failed, rate)
    assert 0.0 < chance <= 1.0
    assert chance_right((alpha, beta), passed, failed + 1, rate) <= chance + 1e-9
    assert chance_right((alpha, beta), passed, failed, rate + 0.05) <= chance + 1e-9


@pytest.mark.parametrize("prior", [(12.0, 1_188.0), (1e6, 1e6), (1e308, 1.0), (0.0, 0.0)])
def test_a_prior_that_knows_all_or_nothing_still_has_its_chance(prior: tuple[float, float]) -> None:
    assert 0.0 < chance_right(prior, 1, 5, 0.02) <= 1.0


def test_what_could_not_be_verified_counts_for_nothing() -> None:
    broken = Verdict(UUID(int=1), 0, "not_verified", None, "none", "", "broke", None, 0.0)
    assert is_trusted([judged(True), *[broken] * 60], UNIFORM, {})


def test_a_rule_settles_a_query_at_once_and_a_judge_alone_does_not_after_many_failures() -> None:
    failures = [verdict(False)] * 60
    assert is_trusted([*failures, verdict(True)], UNIFORM, {})
    assert is_trusted([judged(True)], UNIFORM, {})
    assert not is_trusted([*failures, judged(True)], UNIFORM, {})
    assert is_trusted([*failures, judged(True), verdict(True)], UNIFORM, {})
    assert not is_trusted(failures, UNIFORM, {})


def test_tests_that_were_seen_to_err_ask_for_more_than_one_success() -> None:
    flaky = {"code": rates(200, 60, 0, 140)}
    one = [verdict(True, "code", "stdin"), *[verdict(False, "code", "stdin")] * 4]
    more = [*[verdict(True, "code", "stdin")] * 9, verdict(False, "code", "stdin")]
    assert is_trusted(one, UNIFORM, {})
    assert not is_trusted(one, UNIFORM, flaky)
    assert is_trusted(more, UNIFORM, flaky)
