"""Proves that a window's budgets keep every promise, commit together, and are told to the sampler after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Row
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.core.decisions import Account, Prediction, Waiting, Window
from adaqueue.core.policy import ONCE
from adaqueue.core.query import Query
from adaqueue.core.specs import Run
from adaqueue.errors import LeaseLostError, UnavailableError
from adaqueue.flows.schedule import allocate_window, schedule_once
from adaqueue.ports import Doorbell, Predictor
from tests.flows.crashes import FAULTS
from tests.flows.plant import Believer, Bell, Plant, check_books, cut_off_everywhere, submit
from tests.scene import PRIOR, Scene, Windows, query

B_MAX = 6
RUN = Run(UUID(int=1), "r", "transformers", "m", "uniform", 2.0, B_MAX, False)
LIMITS = st.lists(st.tuples(st.integers(0, B_MAX), st.integers(0, B_MAX)).map(sorted), min_size=1, max_size=8)


class Knower:
    """Knows each query's success probability by its id."""

    def predict(self, run: Run, queries: Sequence[Waiting]) -> list[Prediction]:
        return [Prediction(float(q.external_id), 1 - float(q.external_id), "knower", "") for q in queries]


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def scheduled(windows: Windows, predictor: Predictor, bell: Doorbell) -> int:
    return schedule_once(windows.lease, windows, predictor, bell, window_queries=100)


def budgets(scene: Scene) -> dict[str, int]:
    rows = scene.rows("SELECT external_id, budget FROM allocations JOIN queries q ON q.id = query_id")
    return {row.external_id: row.budget for row in rows}


def ready(scene: Scene) -> list[UUID]:
    return [row.id for row in scene.rows("SELECT id FROM allocations WHERE state = 'ready'")]


@settings(max_examples=100, deadline=None)
@given(LIMITS, st.integers(0, 50), st.sampled_from(ONCE), st.data())
def test_budgets_spend_the_total_within_every_querys_limits_and_break_no_promise(
    limits: list[list[int]], total: int, policy: str, data: st.DataObject
) -> None:
    waiting = tuple(
        Waiting(uuid7(), f"q{number}", "math", low, high, {}, "") for number, (low, high) in enumerate(limits)
    )
    chances = data.draw(st.lists(st.floats(0.01, 0.99), min_size=len(limits), max_size=len(limits)))
    window = Window(uuid7(), Account(replace(RUN, policy=policy), "t", 0.0, 0.0), waiting, total)
    granted = allocate_window(window, [Prediction(p, 1 - p, "p", "") for p in chances], {})
    assert [allocation.query_id for allocation in granted] == [query.id for query in waiting]
    assert all(low <= one.budget <= high for one, (low, high) in zip(granted, limits, strict=True))
    promised, possible = (sum(column) for column in zip(*limits, strict=True))
    assert sum(one.budget for one in granted) == min(max(total, promised), possible)
    assert len({one.id for one in granted}) == len(granted)
    assert {(one.first_sample, one.propensity) for one in granted} == {(0, 1.0)}


def test_ties_do_not_always_go_to_the_same_queries() -> None:
    waiting = tuple(Waiting(uuid7(), f"q{number}", "math", 0, 6, {}, "") for number in range(3))
    lucky = set()
    for _ in range(60):
        window = Window(uuid7(), Account(RUN, "t", 0.0, 0.0), waiting, 1)
        granted = allocate_window(window, [PRIOR] * 3, {})
        lucky |= {number for number, one in enumerate(granted) if one.budget}
    assert lucky == {0, 1, 2}


def test_a_window_is_committed_and_then_told_to_the_sampler_of_its_engine(scene: Scene) -> None:
    scene.add(query("a"), query("b"), query("nothing", max_budget=0))
    bell = Bell()
    assert scheduled(scene.windows(), Believer(), bell) == 3
    assert budgets(scene) == {"a": 3, "b": 3, "nothing": 0}
    assert scene.outcomes() == {"a": None, "b": None, "nothing": "abstained"}
    (rung,) = bell.rung
    assert (rung[0], sorted(rung[1])) == ("transformers", sorted(ready(scene)))
    assert scheduled(scene.windows(), Believer(), bell) == 0


def test_the_policy_acts_on_what_the_predictor_knows(database: Database) -> None:
    scene = Scene(database, policy="window")
    scene.add(query("0.98"), query("0.4"))
    scheduled(scene.windows(), Knower(), Bell())
    assert budgets(scene) == {"0.98": 1, "0.4": 3}
    assert scene.rows("SELECT probe, alpha FROM allocations ORDER BY alpha") == [
        ("knower", 0.4),
        ("knower", 0.98),
    ]


def test_a_promise_overdraws_the_account_and_the_windows_after_repay_it(scene: Scene) -> None:
    windows = scene.windows(window_queries=2)
    scene.add(query("a", min_budget=5), query("b", min_budget=4))
    scene.add(*(query(name) for name in "cdefgh"))
    spent = []
    for _ in range(4):
        before = sum(budgets(scene).values())
        scheduled(windows, Believer(), Bell())
        spent.append(sum(budgets(scene).values()) - before)
    assert spent == [9, 0, 3, 4]
    assert scene.account() == {"allowed": 16, "granted": 16, "returned": 0}
    assert budgets(scene)["a"] == 5
    assert budgets(scene)["b"] == 4


def test_who_does_not_hold_the_lease_decides_nothing(scene: Scene) -> None:
    scene.add(query("a"))
    scene.windows().lease.acquire()
    assert scheduled(scene.windows(), Believer(), Bell()) == 0
    assert budgets(scene) == {}


def test_who_loses_the_lease_while_it_thinks_writes_nothing_and_rings_for_nobody(scene: Scene) -> None:
    scene.add(query("a"))

    class Slow(Believer):
        def predict(self, run: Run, queries: Sequence[Waiting]) -> list[Prediction]:
            scene.pass_time(61.0)
            assert scene.windows().lease.acquire() == 2
            return super().predict(run, queries)

    bell = Bell()
    with pytest.raises(LeaseLostError):
        scheduled(scene.windows(), Slow(), bell)
    assert budgets(scene) == {}
    assert bell.rung == []


class Deaf:
    """A bell that nobody hears."""

    def waiting(self, queue: str) -> int:
        return 0

    def ring(self, queue: str, ids: Sequence[UUID], *, alone: bool = False, gives_way: bool = False) -> None:
        raise UnavailableError("nobody hears")


def test_a_window_stands_even_where_nobody_hears_of_it(scene: Scene) -> None:
    scene.add(query("a"))
    assert scheduled(scene.windows(), Believer(), Deaf()) == 1
    assert budgets(scene) == {"a": 2}


def explored(plant: Plant, *queries: Query, share: float = 1.0) -> list[Row[Any]]:
    """Takes queries from the client to their ends; returns the random budgets among them."""
    plant.exploration_share = share
    submit(plant, *queries)
    plant.settle()
    return plant.scene.rows(
        "SELECT a.policy, a.reason, a.budget, a.propensity, answers.samples_used, answers.verified "
        "FROM allocations a JOIN answers USING (query_id) WHERE a.policy = 'exploration'"
    )


@pytest.mark.parametrize("policy", ["sequential", "window"])
def test_a_random_budget_is_drawn_in_full_and_the_best_of_it_is_the_answer(
    build: Callable[..., Plant], policy: str
) -> None:
    plant = build("run", policy=policy, average_budget=4.0, has_features=False)
    rows = explored(plant, *(query(f"q{n}", reference="1", min_budget=3) for n in range(3)))
    check_books(plant)
    assert len(rows) == 3
    for row in rows:
        assert row.samples_used == row.budget >= 3
        assert row.verified
        assert 0 < row.propensity < 1
        assert row.reason.startswith("a random budget")
    assert plant.scene.account()["granted"] == sum(row.budget for row in rows)


@pytest.mark.parametrize("policy", ["sequential", "window"])
def test_what_is_explored_is_charged_and_others_share_what_is_left(
    build: Callable[..., Plant], policy: str
) -> None:
    plant = build("run", policy=policy, average_budget=2.0, is_batch=True, has_features=False)
    rows = explored(plant, *(query(f"q{n}", reference="never") for n in range(60)), share=0.3)
    assert 5 < len(rows) < 40
    assert plant.scene.account() == {"allowed": 120, "granted": 120, "returned": 0}


def test_a_random_budget_that_nobody_drew_by_its_deadline_is_given_back(build: Callable[..., Plant]) -> None:
    plant = build("run", policy="sequential", has_features=False)
    plant.exploration_share = 1.0
    submit(plant, query("a", reference="1", deadline_seconds=30))
    plant.ingest()
    plant.schedule()
    plant.scene.pass_time(31.0)
    plant.buy()
    assert plant.scene.outcomes() == {"a": "expired"}
    account = plant.scene.account()
    assert account["returned"] == account["granted"] > 0


@pytest.mark.parametrize(
    ("flow", "policy"), [("schedule", "sequential"), ("schedule", "window"), ("verify", "sequential")]
)
@pytest.mark.parametrize(("fault", "after"), FAULTS)
def test_a_fault_at_any_call_loses_nothing_of_what_is_explored(
    build: Callable[..., Plant], flow: str, policy: str, fault: type[BaseException], after: bool
) -> None:
    def explored_query(name: str) -> Plant:
        plant = build(name, policy=policy, has_features=False)
        plant.exploration_share = 1.0
        submit(plant, query("a", reference="1"))
        return plant

    assert cut_off_everywhere(explored_query, flow, fault, after) >= 2


@pytest.mark.parametrize(("fault", "after"), FAULTS)
def test_a_fault_at_any_call_costs_delay_alone(
    build: Callable[[str], Plant], fault: type[BaseException], after: bool
) -> None:
    def two_queries(name: str) -> Plant:
        plant = build(name)
        submit(plant, query("a", reference="1"), query("none", max_budget=0))
        return plant

    assert cut_off_everywhere(two_queries, "schedule", fault, after) >= 5
