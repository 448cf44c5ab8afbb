"""Proves that allocation without the table gives the table's budgets and price, to unit and bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core import price, rows
from adaqueue.core.allocate import Budgets, allocate, allocate_beta, allocate_success, at_price
from adaqueue.core.marginal import NOTHING, FloatArray, IntArray, from_beta, from_success

MODEST = settings(max_examples=120, deadline=None)
CHANCES = st.one_of(
    st.floats(0.0, 1.0),
    st.sampled_from([0.0, 1.0, 0.5, 0.25, 0.2, 0.16, 0.128, 1e-300, 1e-301, 1e-12, 1e-17, 1 - 1e-16]),
    st.integers(0, 20).map(lambda step: 0.5 + step * 2.0**-52),
)
PARAMETERS = st.tuples(
    st.sampled_from([1e-305, 0.1, 1.0, 1.0, 2.0, 50.0]) | st.floats(1e-6, 1e4),
    st.sampled_from([0.1, 1.0, 1.0, 3.0]) | st.floats(1e-6, 1e4),
    st.sampled_from([0.0, 0.0, 0.3, 1.0]),
)


@dataclass(frozen=True)
class Limits:
    b_max: int
    total: int
    minimum: IntArray | None
    maximum: IntArray | None
    order: IntArray | None


@st.composite
def limits(draw: st.DrawFn, queries: int) -> Limits:
    b_max = draw(st.sampled_from([1, 2, 7, 40, 300]))

    def each(low: int, high: int) -> IntArray | None:
        drawn = st.lists(st.integers(low, high), min_size=queries, max_size=queries)
        return np.array(draw(drawn)) if draw(st.booleans()) else None

    middle = draw(st.integers(0, b_max))
    minimum, maximum = each(0, middle), each(middle, b_max + 2)
    spare = draw(st.integers(0, 3 * queries) | st.integers(0, queries * b_max + 3))
    order = np.array(draw(st.permutations(range(queries)))) if draw(st.booleans()) else None
    return Limits(b_max, spare + (0 if minimum is None else int(minimum.sum())), minimum, maximum, order)


@pytest.fixture(params=[False, True], ids=["as shipped", "with every shortcut taken at once"], autouse=True)
def _shortcuts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of a test are small: the second time, samples, parts and brackets are smaller still."""
    if request.param:
        monkeypatch.setattr(rows.SuccessRows, "few", 2)
        monkeypatch.setattr(rows.SuccessRows, "sample", 3)
        monkeypatch.setattr(rows, "CELLS", 64)
        monkeypatch.setattr(rows, "MANY_CELLS", 16)
        monkeypatch.setattr(price, "SOME", 2)


def assert_same(found: Budgets, expected: Budgets) -> None:
    assert found.units.tolist() == expected.units.tolist()
    assert found.price == expected.price


def success_both_ways(success: FloatArray, given: Limits) -> tuple[Budgets, Budgets]:
    bounds: dict[str, Any] = {"minimum": given.minimum, "maximum": given.maximum, "order": given.order}
    table = from_success(success, given.b_max)
    return allocate_success(success, given.total, b_max=given.b_max, **bounds), allocate(
        table, given.total, **bounds
    )


@MODEST
@given(st.lists(CHANCES, min_size=1, max_size=20).flatmap(lambda s: st.tuples(st.just(s), limits(len(s)))))
def test_success_probabilities_get_the_tables_budgets(case: tuple[list[float], Limits]) -> None:
    assert_same(*success_both_ways(np.array(case[0]), case[1]))


@MODEST
@given(st.lists(CHANCES, min_size=1, max_size=6), st.sampled_from([1, 3, 12, 200]))
def test_units_worth_exactly_the_price_are_counted_as_in_the_table(chances: list[float], b_max: int) -> None:
    table = from_success(np.array(chances), b_max)
    closed = rows.SuccessRows(np.array(chances), b_max)
    for worth in table[:, :: max(b_max // 12, 1)].ravel():
        for at in (worth, np.nextafter(worth, 1.0), np.nextafter(worth, 0.0)):
            if at == 0.0 or at >= NOTHING:
                expected = np.count_nonzero(table >= at, axis=1).tolist()
                assert closed.counts(float(at)).tolist() == expected


@MODEST
@given(st.lists(PARAMETERS, min_size=1, max_size=12).flatmap(lambda p: st.tuples(st.just(p), limits(len(p)))))
def test_beta_distributions_get_the_tables_budgets(
    case: tuple[list[tuple[float, float, float]], Limits],
) -> None:
    (alpha, beta, zero), given = np.array(case[0]).T, case[1]
    bounds: dict[str, Any] = {"minimum": given.minimum, "maximum": given.maximum, "order": given.order}
    for share in (None, zero):
        found = allocate_beta(alpha, beta, given.total, b_max=given.b_max, zero=share, **bounds)
        assert_same(found, allocate(from_beta(alpha, beta, given.b_max, share), given.total, **bounds))


@pytest.mark.parametrize("b_max", [1, 128, 1024])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.4, 0.99, 1.5])
def test_a_window_large_enough_for_guessing_gets_the_tables_budgets(b_max: int, share: float) -> None:
    rng = np.random.default_rng(b_max)
    queries = 70_000 if b_max < 1024 else 3_000
    chances = np.where(rng.random(queries) < 0.2, 0.0, rng.beta(0.41, 0.44, queries))
    bounds = Limits(b_max, int(share * queries * b_max), None, None, rng.permutation(queries))
    assert_same(*success_both_ways(chances, bounds))


@pytest.mark.parametrize("chance", [0.3, 1e-12, 1.0, 0.0, 0.9])
def test_equal_queries_share_in_rounds_by_rank(chance: float) -> None:
    count = 999
    order = np.random.default_rng(0).permutation(count)
    for total in (1, 500, 3 * count, 4 * count + 7, 30 * count):
        whole, part = divmod(total, count)
        units = allocate_success(np.full(count, chance), total, b_max=30, order=order).units
        assert units.tolist() == [min(whole + (rank < part), 30) for rank in order]


def test_a_budget_of_a_million_needs_no_table_of_a_million() -> None:
    units = allocate_success(np.array([1e-5, 1e-4, 0.5, 0.0]), 100_000, b_max=10**6).units
    assert units.sum() == 100_000
    assert units[3] == 0
    worth = np.array([1e-5, 1e-4, 0.5]) * np.exp(units[:3] * np.log1p([-1e-5, -1e-4, -0.5]))
    assert worth.max() < 1.5 * worth.min()


def test_nothing_to_decide_costs_nothing_and_has_no_price() -> None:
    for found in (
        allocate_success(np.zeros(0), 5, b_max=3),
        allocate_success(np.array([0.5]), 5, b_max=0),
        allocate_success(np.array([0.5]), 0, b_max=3),
        allocate_success(np.array([0.5]), 2, b_max=3, minimum=2),
        allocate_success(np.array([0.5]), 9, b_max=3, maximum=0),
        allocate_beta(np.zeros(0), np.zeros(0), 5, b_max=3),
    ):
        assert found.price == float("inf")
    assert allocate_success(np.array([0.5]), 2, b_max=3, minimum=2).units.tolist() == [2]


def test_what_the_table_refuses_is_refused_without_it() -> None:
    with pytest.raises(ValueError, match=r"success\[0\] must be a probability"):
        allocate_success(np.array([1.5]), 1, b_max=2)
    with pytest.raises(ValueError, match="b_max must be at least 0, not -1"):
        allocate_success(np.array([0.5]), 1, b_max=-1)
    with pytest.raises(ValueError, match="sum of the minimums, 4, not 3"):
        allocate_success(np.array([0.5, 0.5]), 3, b_max=2, minimum=2)
    with pytest.raises(ValueError, match=r"alpha\[0\]"):
        allocate_beta(np.array([0.0]), np.array([1.0]), 1, b_max=2)
    with pytest.raises(ValueError, match=r"order must have shape \(1,\)"):
        allocate_success(np.array([0.5]), 1, b_max=2, order=np.arange(2))


@MODEST
@given(st.lists(CHANCES, min_size=1, max_size=12).flatmap(lambda s: st.tuples(st.just(s), limits(len(s)))))
def test_a_windows_budgets_lie_between_those_just_above_its_price_and_at_it(
    case: tuple[list[float], Limits],
) -> None:
    delta, given = from_success(np.array(case[0]), case[1].b_max), case[1]
    bounds: dict[str, Any] = {"minimum": given.minimum, "maximum": given.maximum}
    window = allocate(delta, given.total, order=given.order, **bounds)
    above = at_price(delta, float(np.nextafter(window.price, np.inf)), **bounds)
    reach = at_price(delta, window.price, **bounds)
    assert (above <= window.units).all()
    assert (window.units <= reach).all()
