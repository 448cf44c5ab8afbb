"""Proves that windows are due when they should be, one scheduler decides them, and the account is exact."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.windows import PostgresWindowLedger
from adaqueue.adapters.sql import features, queries
from adaqueue.core.decisions import Account, Allocation, Entering, Prediction, Window
from adaqueue.core.records import ABSTENTION
from adaqueue.errors import LeaseLostError
from tests.scene import PRIOR, Scene, Windows, allocations, query, recorded


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def names(window: Window | None) -> list[str] | None:
    return None if window is None else [waiting.external_id for waiting in window.queries]


def due(windows: PostgresWindowLedger) -> Window:
    window = windows.next_window()
    assert window is not None
    return window


def decide(windows: Windows, *budgets: int) -> Window:
    epoch, window = windows.lease.acquire(), due(windows)
    assert epoch is not None
    windows.commit(epoch, window, allocations(window, *budgets))
    return window


def test_a_window_is_due_once_it_is_full(scene: Scene) -> None:
    windows = scene.windows(window_queries=2, window_seconds=60.0)
    scene.add(query("a"))
    assert windows.next_window() is None
    scene.add(query("b"), query("c"))
    assert names(windows.next_window()) == ["a", "b"]


def test_a_window_is_due_once_its_oldest_query_has_waited_long_enough(scene: Scene) -> None:
    windows = scene.windows(window_queries=9, window_seconds=60.0)
    scene.add(query("a"))
    scene.pass_time(59.0)
    assert windows.next_window() is None
    scene.add(query("b"))
    scene.pass_time(1.0)
    assert names(windows.next_window()) == ["a", "b"]


def test_the_oldest_queries_come_first_and_the_rest_stays_for_the_next_window(scene: Scene) -> None:
    for name in "badc":
        scene.add(query(name))
    windows = scene.windows(window_queries=3)
    assert names(decide(windows, 0, 0, 0)) == ["b", "a", "d"]
    assert names(windows.next_window()) == ["c"]


def test_the_run_that_waits_longest_comes_first(database: Database) -> None:
    late, early = Scene(database, name="late"), Scene(database, name="early")
    early.add(query("early"))
    early.pass_time(5.0)
    late.add(query("late"), query("later"))
    assert due(late.windows()).run == early.run


def test_queries_that_wait_for_features_are_in_no_window(database: Database) -> None:
    scene = Scene(database, has_features=True)
    scene.add(query())
    assert scene.windows().next_window() is None


def test_a_query_brings_all_its_features_by_fingerprint_the_first_writer_wins(database: Database) -> None:
    scene = Scene(database, has_features=True)
    with_features, without = scene.add(query("a"), query("b"))
    scene.features.store("old", {with_features: b"1234"}, [without])
    scene.features.store("new", {with_features: b"5678"}, [])
    scene.features.store("new", {with_features: b"9999"}, [])
    a, b = due(scene.windows()).queries
    assert a.features == {"old": b"1234", "new": b"5678"}
    assert b.features == {}
    assert (a.prompt, b.prompt) == ("What is 1 + 1?",) * 2


@pytest.mark.parametrize(
    ("engine", "fields", "limits"),
    [
        ("transformers", {}, (0, 8)),
        ("transformers", {"min_budget": 2, "max_budget": 5}, (2, 5)),
        ("transformers", {"min_budget": 20, "max_budget": 30}, (8, 8)),
        ("transformers", {"max_budget": 0}, (0, 0)),
        ("replay", {"recording": recorded(1, 0, 0)}, (0, 3)),
        ("replay", {"recording": recorded(1, 0, 0), "min_budget": 5}, (3, 3)),
        ("replay", {"recording": recorded(1, 0, 0), "max_budget": 2}, (0, 2)),
    ],
)
def test_a_querys_limits_are_within_its_runs_and_its_recording(
    database: Database, engine: str, fields: dict[str, Any], limits: tuple[int, int]
) -> None:
    scene = Scene(database, engine=engine, b_max=8)
    scene.add(query(**fields))
    (waiting,) = due(scene.windows()).queries
    assert (waiting.min_budget, waiting.max_budget) == limits


@pytest.mark.parametrize("average_budget", [0.1, 1.5, 4.0, 1 / 3, 0.0])
def test_fractions_of_the_average_budget_add_up_exactly(database: Database, average_budget: float) -> None:
    scene = Scene(database, average_budget=average_budget)
    windows = scene.windows()
    granted, exact = 0, Decimal(str(average_budget))
    for seen in range(1, 11):
        scene.add(query(f"q{seen}"))
        total = decide(windows, due(windows).total).total
        assert total == math.floor(exact * seen) - granted
        granted += total
    assert granted == math.floor(exact * 10)
    assert scene.account() == {"allowed": pytest.approx(float(exact * 10)), "granted": granted, "returned": 0}


def test_what_a_window_does_not_spend_is_there_for_the_next(scene: Scene) -> None:
    windows = scene.windows()
    for spent, total in ((0, 2), (1, 4), (5, 5), (2, 2)):
        scene.add(query(f"q{spent}"))
        assert decide(windows, spent).total == total


def test_an_overdraft_is_repaid_before_anything_is_granted_again(scene: Scene) -> None:
    windows = scene.windows()
    for number, (spent, total) in enumerate(((7, 2), (0, 0), (0, 0), (1, 1), (2, 2))):
        scene.add(query(f"q{number}"))
        assert decide(windows, spent).total == total


def test_every_run_has_its_own_account(database: Database) -> None:
    one, two = Scene(database, name="one"), Scene(database, name="two", average_budget=5.0)
    one.add(query())
    one.grant(1)
    two.add(query())
    assert due(two.windows()).total == 5
    assert two.rows("SELECT run_id, allowed, granted, returned FROM accounts") == [(one.run.id, 2, 1, 0)]


def test_every_tenant_has_its_own_windows_and_account_from_its_first_window_on(scene: Scene) -> None:
    scene.add(query("a"), query("b", tenant="other"), query("c"))
    windows = scene.windows()
    accounts = "SELECT tenant, allowed, granted FROM accounts ORDER BY tenant"
    assert scene.rows(accounts) == []
    first, second = decide(windows, 1, 1), decide(windows, 2)
    assert (first.account.tenant, names(first), first.total) == ("default", ["a", "c"], 4)
    assert (second.account.tenant, names(second), second.total) == ("other", ["b"], 2)
    assert scene.rows(accounts) == [("default", 4, 2), ("other", 2, 2)]
    scene.add(query("d", tenant="other"))
    third = due(windows)
    assert (third.account.tenant, third.account.balance, third.total) == ("other", 0, 2)


def test_a_window_tells_how_its_account_stands_and_what_a_full_window_allows(scene: Scene) -> None:
    windows = scene.windows(window_queries=100)
    scene.add(query("a"))
    assert decide(windows, 5).account == Account(scene.run, "default", 0.0, 200.0)
    scene.add(query("b"))
    assert due(windows).account == Account(scene.run, "default", -3.0, 200.0)


def test_a_decision_is_kept_with_everything_that_explains_it(scene: Scene) -> None:
    (key,) = scene.add(query())
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), due(windows)
    assert epoch is not None
    prediction = Prediction(0.5, 2.5, "probe-1", "why")
    windows.commit(epoch, window, [Allocation(uuid7(), key, 3, 0, prediction, float("inf"), 0.25)])
    (row,) = scene.rows("SELECT * FROM allocations")
    assert (row.query_id, row.window_id, row.budget, row.first_sample) == (key, window.id, 3, 0)
    assert (row.alpha, row.beta, row.probe, row.reason) == (0.5, 2.5, "probe-1", "why")
    assert (row.price, row.propensity, row.policy) == (math.inf, 0.25, "uniform")
    assert (row.engine, row.decoder, row.state, row.attempt) == ("transformers", "m", "ready", 0)
    assert scene.one("SELECT state FROM queries") == "sampling"


def test_a_query_that_is_granted_nothing_is_answered_at_once(scene: Scene) -> None:
    scene.add(query("nothing"), query("something"))
    windows = scene.windows()
    decide(windows, 0, 3)
    assert scene.outcomes() == {"nothing": "abstained", "something": None}
    (result,) = scene.results.closed(scene.run.id, ["nothing", "something"])
    assert result.answer is not None
    assert (result.answer.text, result.answer.abstained) == (ABSTENTION, True)
    assert (result.answer.budget, result.answer.samples_used, result.answer.reward) == (0, 0, None)
    assert scene.rows("SELECT state FROM allocations ORDER BY budget") == [("done",), ("ready",)]
    assert scene.account() == {"allowed": 4, "granted": 3, "returned": 0}


def test_one_scheduler_at_a_time_holds_the_lease(scene: Scene) -> None:
    one, two = scene.windows(), scene.windows()
    assert one.lease.acquire() == 1
    assert two.lease.acquire() is None
    scene.pass_time(59.0)
    assert one.lease.acquire() == 1
    scene.pass_time(59.0)
    assert two.lease.acquire() is None


def test_a_lease_that_ran_out_goes_to_the_next_at_a_higher_epoch(scene: Scene) -> None:
    one, two = scene.windows(), scene.windows()
    one.lease.acquire()
    scene.pass_time(61.0)
    assert two.lease.acquire() == 2
    assert one.lease.acquire() is None
    scene.pass_time(61.0)
    assert one.lease.acquire() == 3


def test_a_lease_that_is_released_goes_to_the_next_at_once(scene: Scene) -> None:
    one, two = scene.windows(), scene.windows()
    one.lease.acquire()
    two.lease.release()
    assert two.lease.acquire() is None
    one.lease.release()
    assert two.lease.acquire() == 2


def state(scene: Scene) -> list[Any]:
    tables = ("queries", "predictions", "allocations", "answers", "accounts")
    return [scene.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]  # noqa: S608 - constants


@pytest.mark.parametrize("change", ["another took over", "it ran out", "it was released", "another epoch"])
def test_without_the_lease_nothing_is_written(scene: Scene, change: str) -> None:
    scene.add(query("a"), query("b"))
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), due(windows)
    assert epoch is not None
    if change == "it was released":
        windows.lease.release()
    elif change == "another epoch":
        epoch += 1
    else:
        scene.pass_time(61.0)
    if change == "another took over":
        scene.windows().lease.acquire()
    before = state(scene)
    with pytest.raises(LeaseLostError, match="no longer held at epoch"):
        windows.commit(epoch, window, allocations(window, 0, 4))
    with pytest.raises(LeaseLostError, match="no longer held at epoch"):
        windows.enter(epoch, window, entering(window), (0.5, 0.25))
    assert state(scene) == before


def entering(window: Window, index: float = 0.5) -> list[Entering]:
    return [Entering(waiting.id, PRIOR, index) for waiting in window.queries]


def test_what_is_explored_draws_at_once_and_is_charged_with_the_window(database: Database) -> None:
    scene = Scene(database, policy="sequential")
    a, b = scene.add(query("a"), query("b"))
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), due(windows)
    assert epoch is not None
    explored = Allocation(uuid7(), b, 3, 0, PRIOR, 0.0, propensity=0.01, policy="exploration")
    windows.enter(epoch, window, entering(window), None, [explored])
    assert scene.rows("SELECT id, state FROM queries ORDER BY external_id") == [(a, "open"), (b, "sampling")]
    assert scene.account() == {"allowed": 4, "granted": 3, "returned": 0}
    rows = scene.rows("SELECT id, window_id, policy, propensity FROM allocations")
    assert rows == [(explored.id, window.id, "exploration", 0.01)]
    (claim,) = scene.sampler().claim([explored.id])
    assert not claim.stops
    told = {
        row[0] for row in scene.rows("SELECT query_id FROM predictions WHERE window_id = :id", id=window.id)
    }
    assert told == {a, b}


def test_queries_that_enter_are_open_with_what_is_believed_of_them_and_bring_their_allowance(
    database: Database,
) -> None:
    scene = Scene(database, policy="sequential")
    a, b = scene.add(query("a"), query("b", min_budget=1))
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), due(windows)
    assert epoch is not None
    ruled = Prediction(0.5, 1.5, "math-1", "probe", (-0.5, 0.25, -0.125))
    windows.enter(epoch, window, [Entering(a, ruled, 0.375), Entering(b, PRIOR, math.inf)], (0.5, 0.25))
    assert scene.rows("SELECT id, state, drawn, next_index FROM queries ORDER BY external_id") == [
        (a, "open", 0, 0.375),
        (b, "open", 0, math.inf),
    ]
    said = "SELECT query_id, alpha, beta, curve_a, curve_b, curve_c, probe, reason FROM predictions"
    assert sorted(tuple(row) for row in scene.rows(said)) == sorted(
        [
            (a, 0.5, 1.5, -0.5, 0.25, -0.125, "math-1", "probe"),
            (b, 1.0, 1.0, None, None, None, PRIOR.probe, PRIOR.reason),
        ]
    )
    assert scene.one("SELECT allowed, granted, base_price, price FROM accounts") == (4, 0, 0.5, 0.25)
    assert scene.rows("SELECT 1 FROM allocations") == []
    assert windows.next_window() is None


def test_the_price_of_a_stream_is_told_with_its_account_and_a_batch_has_none(database: Database) -> None:
    told = []
    for is_batch, prices in ((False, (0.5, 0.25)), (True, None)):
        scene = Scene(database, name=str(is_batch), policy="sequential", is_batch=is_batch)
        windows = scene.windows()
        for number in range(2):
            scene.add(query(f"q{number}"))
            epoch, window = windows.lease.acquire(), due(windows)
            assert epoch is not None
            told.append((window.account.base_price, window.account.price, window.account.balance))
            windows.enter(epoch, window, entering(window), prices)
        windows.lease.release()
    assert told == [(None, None, 0.0), (0.5, 0.25, 2.0), (None, None, 0.0), (None, None, 2.0)]


def test_a_window_enters_once(database: Database) -> None:
    scene = Scene(database, policy="sequential")
    scene.add(query("a"), query("b"))
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), due(windows)
    assert epoch is not None
    windows.enter(epoch, window, entering(window), (0.5, 0.5))
    before = state(scene)
    with pytest.raises(LeaseLostError, match="a query of the window is no longer waiting"):
        windows.enter(epoch, window, entering(window, 0.25), (0.5, 0.125))
    assert state(scene) == before


def test_a_window_is_decided_once(scene: Scene) -> None:
    scene.add(query("a"), query("b"))
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), due(windows)
    assert epoch is not None
    windows.commit(epoch, window, allocations(window, 0, 4))
    before = state(scene)
    with pytest.raises(LeaseLostError, match="a query of the window is no longer waiting"):
        windows.commit(epoch, window, allocations(window, 1, 1))
    assert state(scene) == before


def test_a_window_may_have_more_queries_than_a_statement_has_parameters(scene: Scene) -> None:
    keys = [uuid7() for _ in range(66_000)]
    with scene.database.begin() as conn:
        assert features.of_queries(conn, keys) == {}
        assert queries.to_sampling(conn, keys, "window") == 0
        assert queries.to_open(conn, dict.fromkeys(keys, 0.5), "window") == 0
        queries.close(conn, dict.fromkeys(keys, "abstained"))
