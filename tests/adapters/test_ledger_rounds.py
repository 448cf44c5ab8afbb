"""Proves whose turn it is to buy, what a round may buy, and that it commits whole or not at all."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.rounds import PostgresRoundLedger
from adaqueue.core.decisions import Account, Allocation, Entering, Open, Outlook, Prediction, Round
from adaqueue.core.records import ABSTENTION, Claim
from adaqueue.errors import LeaseLostError
from tests.scene import SAMPLING, Scene, closing, query, recorded, samples, verdict

RULED = Prediction(0.5, 1.5, "math-1", "probe", (-0.5, 0.25, -0.125))
LONG = 1e6


class Stage:
    """A scheduler on a scene whose queries enter with the index that their names are."""

    def __init__(self, scene: Scene, **given: Any) -> None:
        self.scene = scene
        self.windows = scene.windows(lease_seconds=LONG)
        self.rounds = self.again(**given)
        self.worker = scene.worker("sampler")
        epoch = self.windows.lease.acquire()
        assert epoch is not None
        self.epoch = epoch

    def again(self, **given: Any) -> PostgresRoundLedger:
        """The same scheduler with other settings."""
        return self.scene.rounds(self.windows.lease, **given)

    def enter(self, *names: str, prices: tuple[float, float] | None = None, **fields: Any) -> list[UUID]:
        keys = self.scene.add(*(query(name, **fields) for name in names))
        while (window := self.windows.next_window()) is not None:
            entering = [Entering(one.id, RULED, float(one.external_id)) for one in window.queries]
            self.windows.enter(self.epoch, window, entering, prices)
        return keys

    def due(self) -> Round:
        due = self.rounds.next_round()
        assert due is not None
        return due

    def decide(self, due: Round, **budgets: int) -> dict[str, UUID]:
        """Buys by name `_0.5=2`; returns the allocations' keys by name."""
        bought = [
            self.bought(one, budgets["_" + one.external_id]) for one in due.queries if named(one, budgets)
        ]
        self.rounds.commit_round(self.epoch, due, bought, [])
        names = {one.id: one.external_id for one in due.queries}
        return {names[one.query_id]: one.id for one in bought}

    def bought(self, one: Open, budget: int, reason: str = "") -> Allocation:
        return Allocation(
            uuid7(), one.id, budget, one.drawn, one.prediction, 0.25, index=0.375, reason=reason
        )

    def claim(self, allocation: UUID) -> Claim:
        (claim,) = self.scene.sampler(self.worker).claim([allocation])
        return claim

    def fail(self, allocation: UUID) -> None:
        """Draws all of an allocation, in vain."""
        self.end(self.claim(allocation))

    def end(self, claim: Claim) -> None:
        sampler = self.scene.sampler(self.worker)
        numbers = list(claim.numbers)
        sampler.record([claim], SAMPLING, samples(claim, *numbers))
        ending = replace(closing(claim, numbers[0], 0.0), ends=False)
        sampler.finish([ending], [verdict(claim, number, 0.0) for number in numbers])


def named(one: Open, budgets: dict[str, int]) -> bool:
    return "_" + one.external_id in budgets


def names(due: Round | None) -> list[str]:
    return [] if due is None else [one.external_id for one in due.queries]


def batch(database: Database, **run: Any) -> Scene:
    return Scene(database, **{"policy": "sequential", "is_batch": True, "average_budget": 100.0, **run})


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(batch(database))


def test_without_an_open_query_there_is_nothing_to_decide(stage: Stage) -> None:
    assert stage.rounds.next_round() is None
    stage.scene.add(query())
    assert stage.rounds.next_round() is None


def test_the_largest_index_comes_first_and_a_promise_before_all(stage: Stage) -> None:
    stage.enter("0.25", "0.75", "inf", "0.5")
    due = stage.due()
    assert names(due) == ["inf", "0.75", "0.5", "0.25"]
    assert [one.index for one in due.queries] == [math.inf, 0.75, 0.5, 0.25]


def test_what_was_just_drawn_is_computed_anew_before_all_others(stage: Stage) -> None:
    stage.enter("0.25", "0.75", "0.5")
    ids = stage.decide(stage.due(), **{"_0.25": 2})
    assert names(stage.due()) == ["0.75", "0.5"]
    stage.fail(ids["0.25"])
    due = stage.due()
    assert [(one.external_id, one.index, one.drawn) for one in due.queries] == [
        ("0.25", None, 2),
        ("0.75", 0.75, 0),
        ("0.5", 0.5, 0),
    ]


def test_a_round_brings_all_that_must_be_computed_and_of_the_others_what_there_is_room_for(
    stage: Stage,
) -> None:
    stage.enter(*(f"0.{number}" for number in range(11, 21)))
    ids = stage.decide(stage.due(), **{f"_0.{number}": 1 for number in (11, 12, 13)})
    for allocation in ids.values():
        stage.fail(allocation)
    stage.rounds = stage.again(response_samples=1)
    due = stage.due()
    assert due.room == 2
    assert sorted(names(due)[:3]) == ["0.11", "0.12", "0.13"]
    assert names(due)[3:] == ["0.20", "0.19"]


def test_an_open_query_brings_what_was_believed_and_its_limits(database: Database) -> None:
    stage = Stage(batch(database, engine="replay", b_max=8))
    (one,) = stage.enter("0.5", min_budget=5, recording=recorded(1, 0, 0))
    (found,) = stage.due().queries
    assert found == Open(one, "0.5", RULED, 0, 3, 3, 0.5)


def test_the_account_that_was_served_longest_ago_is_next(database: Database) -> None:
    stage = Stage(batch(database, name="one"))
    batch(database, name="two").add(query("0.75"))
    stage.enter("0.5")
    stage.enter("0.25", tenant="b")
    turns = []
    for _ in range(6):
        account = stage.due().account
        turns.append((account.run.name, account.tenant))
    assert sorted(turns[:3]) == [("one", "b"), ("one", "default"), ("two", "default")]
    assert turns[3:] == turns[:3]


def test_an_account_without_open_queries_has_no_turn(stage: Stage) -> None:
    stage.enter("0.5")
    stage.enter("0.25", tenant="b")
    due = stage.due()
    stage.decide(due, **{"_" + names(due)[0]: 1})
    rest = stage.due()
    assert rest.account.tenant != due.account.tenant
    assert [stage.due().account.tenant for _ in range(2)] == [rest.account.tenant] * 2


def test_a_round_tells_how_its_own_account_stands(database: Database) -> None:
    stage = Stage(batch(database, is_batch=False, average_budget=3.0), window_queries=10, waves=1)
    stage.enter("0.5", "0.25", prices=(0.5, 0.25))
    stage.enter("0.75", tenant="b", prices=(0.125, 0.125))
    due = next(due for due in (stage.due(), stage.due()) if due.account.tenant == "default")
    assert due.account == Account(stage.scene.run, "default", 6.0, 30.0, 0.5, 0.25)
    assert due.account.credit == 36.0
    stage.decide(due, **{"_0.5": 4})
    due = next(due for due in (stage.due(), stage.due()) if due.account.tenant == "default")
    assert due.account.balance == 2.0


def test_the_engine_has_room_for_two_responses_of_each_sampler_that_is_heard(stage: Stage) -> None:
    stage.enter("0.5", "0.25")
    stage.rounds = stage.again(response_samples=5, waves=1)
    assert stage.due().room == 10
    second = stage.scene.worker()
    assert stage.due().room == 20
    stage.scene.pass_time(31.0)
    assert stage.due().room == 10
    stage.scene.beat(second)
    assert stage.due().room == 10
    stage.scene.beat(stage.worker)
    assert stage.due().room == 20
    stage.decide(stage.due(), **{"_0.5": 3})
    assert stage.due().room == 17


def test_what_other_runs_and_tenants_of_the_engine_have_in_flight_takes_room_and_other_engines_none(
    database: Database,
) -> None:
    uniform, elsewhere = Scene(database, name="uniform"), Scene(database, name="far", engine="replay")
    stage = Stage(batch(database, name="sequential"), response_samples=10, waves=1)
    stage.windows.lease.release()
    uniform.add(query("a"))
    uniform.grant(4)
    elsewhere.add(query("b", recording=recorded(*[0] * 8)))
    elsewhere.grant(8)
    epoch = stage.windows.lease.acquire()
    assert epoch is not None
    stage.epoch = epoch
    stage.enter("0.25", tenant="b")
    stage.decide(stage.due(), **{"_0.25": 5})
    stage.enter("0.5")
    assert stage.due().room == 20 - 4 - 5


def test_a_wave_is_a_share_of_all_that_was_allowed_and_is_bought_in_halves(database: Database) -> None:
    stage = Stage(batch(database, average_budget=8.0), waves=4)
    stage.enter("0.1", "0.2", "0.3", "0.4")  # 32 samples allowed: waves of 8
    due = stage.due()
    assert due.room == 4
    first = stage.decide(due, **{"_0.4": 4})
    due = stage.due()
    assert due.room == 4
    second = stage.decide(due, **{"_0.3": 4})
    assert stage.due().queries == ()
    stage.fail(first["0.4"])
    assert stage.due().room == 4
    stage.fail(second["0.3"])
    assert stage.due().room == 4


def test_another_tenants_wave_is_its_own(database: Database) -> None:
    stage = Stage(batch(database, average_budget=8.0), waves=4)
    stage.enter("0.1", "0.2")
    stage.decide(stage.due(), **{"_0.2": 3})
    stage.enter("0.3", tenant="b")
    rooms = {due.account.tenant: due.room for due in (stage.due(), stage.due())}
    assert rooms == {"default": 1, "b": 1}
    stage.decide(stage.due(), **{"_0.1": 1})
    assert {due.account.tenant for due in (stage.due(), stage.rounds.next_round()) if due} == {"b"}


def test_a_small_total_has_waves_of_one_sample(database: Database) -> None:
    stage = Stage(batch(database, average_budget=1.0), waves=16)
    stage.enter("0.5")
    assert stage.due().room == 1


def test_what_must_be_computed_is_brought_without_room(database: Database) -> None:
    stage = Stage(batch(database, average_budget=1.0), waves=16)
    stage.enter("0.5", "0.25")
    ids = stage.decide(stage.due(), **{"_0.5": 1})
    stage.fail(ids["0.5"])
    due = stage.due()
    stage.decide(due, **{"_0.25": 1})
    due = stage.due()
    assert (due.room, names(due)) == (0, ["0.5"])


def test_a_batch_is_in_its_last_round_once_sealed_with_nothing_on_its_way_or_in_flight(
    database: Database,
) -> None:
    scene = batch(database, has_features=True)
    stage = Stage(scene)
    one, two = scene.add(query("0.5"), query("0.25"))
    scene.features.store("f", {}, [one])
    stage.enter()
    assert not stage.due().is_last
    scene.results.seal_run(scene.run.id, 0)
    assert not stage.due().is_last  # one waits for features
    scene.features.store("f", {}, [two])
    assert not stage.due().is_last  # it waits for its window
    stage.enter()
    assert stage.due().is_last
    ids = stage.decide(stage.due(), **{"_0.5": 1})
    assert not stage.due().is_last  # in flight: what it does not use comes back
    claim = stage.claim(ids["0.5"])
    assert not stage.due().is_last
    stage.end(claim)
    assert stage.due().is_last


def test_a_batch_that_got_no_query_for_long_counts_as_sealed(stage: Stage) -> None:
    stage.enter("0.5")
    stage.scene.pass_time(59.0)
    assert not stage.due().is_last
    stage.enter("0.25")
    stage.scene.pass_time(59.0)
    assert not stage.due().is_last
    stage.scene.pass_time(1.0)
    assert stage.due().is_last


def test_what_another_tenant_waits_for_is_not_waited_for(stage: Stage) -> None:
    stage.enter("0.5")
    stage.scene.add(query("later", tenant="b"))
    stage.scene.results.seal_run(stage.scene.run.id, 0)
    assert stage.due().is_last


def test_a_stream_has_no_last_round(database: Database) -> None:
    stage = Stage(batch(database, is_batch=False))
    stage.enter("0.5", prices=(0.5, 0.5))
    stage.scene.results.seal_run(stage.scene.run.id, 0)
    stage.scene.pass_time(3_600.0)
    assert not stage.due().is_last


def test_a_last_round_whose_account_is_spent_brings_all_that_is_open(database: Database) -> None:
    stage = Stage(batch(database, average_budget=1.0), waves=3)
    stage.enter("0.1", "0.2", "0.3")
    for name in ("0.3", "0.2", "0.1"):
        ids = stage.decide(stage.due(), **{f"_{name}": 1})
        stage.fail(ids[name])
        due = stage.due()
        less = [Outlook(one.id, float(one.external_id) / 10) for one in due.queries if one.index is None]
        stage.rounds.commit_round(stage.epoch, due, [], less)
    assert stage.due().room == 1
    assert len(names(stage.due())) == 1
    stage.scene.results.seal_run(stage.scene.run.id, 0)
    due = stage.due()
    assert (due.is_last, due.room, names(due)) == (True, 1, ["0.3", "0.2", "0.1"])


def state(scene: Scene) -> list[Any]:
    tables = ("queries", "predictions", "allocations", "answers", "accounts")
    return [scene.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]  # noqa: S608 - constants


def test_a_round_commits_what_is_bought_what_ends_and_what_stays_open_with_the_account(stage: Stage) -> None:
    stage.enter("0.1", "0.2", "0.3", "0.4")
    ids = stage.decide(stage.due(), **{"_0.1": 2, "_0.2": 1})
    stage.fail(ids["0.1"])
    stage.fail(ids["0.2"])
    due = stage.due()
    by_name = {one.external_id: one for one in due.queries}
    bought = stage.bought(by_name["0.4"], 3)
    granted = [
        bought,
        stage.bought(by_name["0.1"], 0, "its limit is reached"),
        stage.bought(by_name["0.3"], 0, "the account is spent"),
    ]
    stage.rounds.commit_round(stage.epoch, due, granted, [Outlook(by_name["0.2"].id, 0.125)])
    scene = stage.scene
    assert scene.rows("SELECT external_id, state, outcome, next_index FROM queries ORDER BY 1")[1] == (
        "0.2",
        "open",
        None,
        0.125,
    )
    assert scene.outcomes() == {"0.1": "answered", "0.2": None, "0.3": "abstained", "0.4": None}
    assert scene.one("SELECT state FROM queries WHERE external_id = '0.4'") == "sampling"
    told = {result.id: result.answer for result in scene.results.closed(scene.run.id, ["0.1", "0.3"])}
    assert told["0.1"] is not None
    assert told["0.3"] is not None
    assert (told["0.1"].text, told["0.1"].reward, told["0.1"].samples_used) == ("text 0", 0.0, 2)
    assert (told["0.3"].text, told["0.3"].abstained, told["0.3"].budget) == (ABSTENTION, True, 0)
    assert scene.account() == {"allowed": 400, "granted": 6, "returned": 0}

    (row,) = scene.rows("SELECT * FROM allocations WHERE id = :id", id=bought.id)
    assert (row.query_id, row.window_id, row.budget, row.first_sample) == (
        by_name["0.4"].id,
        due.id,
        3,
        0,
    )
    assert (row.alpha, row.beta, row.probe, row.reason) == (0.5, 1.5, "math-1", "probe")
    assert (row.price, row._mapping["index"], row.propensity, row.policy) == (0.25, 0.375, 1.0, "sequential")
    assert (row.engine, row.decoder, row.state) == ("transformers", "m", "ready")
    ended = "SELECT budget, first_sample, state, reason FROM allocations WHERE budget = 0 ORDER BY 4"
    assert scene.rows(ended) == [
        (0, 2, "done", "its limit is reached"),
        (0, 0, "done", "the account is spent"),
    ]


def test_an_empty_round_changes_nothing_but_whose_turn_it_is(stage: Stage) -> None:
    stage.enter("0.5")
    due = stage.due()
    before = state(stage.scene)
    stage.rounds.commit_round(stage.epoch, due, [], [])
    assert state(stage.scene) == before


@pytest.mark.parametrize("change", ["another took over", "it ran out", "it was released", "another epoch"])
def test_without_the_lease_nothing_of_a_round_is_written(stage: Stage, change: str) -> None:
    stage.enter("0.1", "0.2", "0.3")
    due, epoch = stage.due(), stage.epoch
    if change == "it was released":
        stage.windows.lease.release()
    elif change == "another epoch":
        epoch += 1
    else:
        stage.scene.pass_time(LONG + 1)
    if change == "another took over":
        stage.scene.lease().acquire()
    before = state(stage.scene)
    first, second, third = due.queries
    granted = [stage.bought(first, 2), stage.bought(second, 0)]
    with pytest.raises(LeaseLostError, match="no longer held at epoch"):
        stage.rounds.commit_round(epoch, due, granted, [Outlook(third.id, 0.5)])
    assert state(stage.scene) == before


def test_a_round_of_which_a_query_is_no_longer_open_is_not_written_at_all(stage: Stage) -> None:
    stage.enter("0.1", "0.2", "0.3")
    due = stage.due()
    stage.decide(due, **{"_0.3": 1})
    before = state(stage.scene)
    first, second, third = due.queries
    granted = [stage.bought(first, 1), stage.bought(second, 1), stage.bought(third, 0)]
    with pytest.raises(LeaseLostError, match="a query of the round is no longer open"):
        stage.rounds.commit_round(stage.epoch, due, granted, [])
    assert state(stage.scene) == before


def test_a_deadline_ends_what_waits_and_what_is_open_and_leaves_the_others(database: Database) -> None:
    scene = batch(database, has_features=True)
    stage = Stage(scene)
    keys = scene.add(
        query("0.5", deadline_seconds=10),
        query("0.4", deadline_seconds=11),
        query("0.3"),
    )
    scene.features.store("f", {}, keys)
    stage.enter()
    scene.add(query("features", deadline_seconds=10))
    (windowed,) = scene.add(query("window", deadline_seconds=10))
    scene.features.store("f", {}, [windowed])
    assert stage.rounds.expire() == 0
    scene.pass_time(10.5)
    assert stage.rounds.expire() == 3
    assert scene.outcomes() == {
        "0.3": None,
        "0.4": None,
        "0.5": "expired",
        "features": "expired",
        "window": "expired",
    }
    assert stage.rounds.expire() == 0
    told = scene.results.closed(scene.run.id, ["0.5", "window"])
    assert {(result.outcome, result.answer) for result in told} == {("expired", None)}
    assert scene.rows("SELECT 1 FROM answers") == []


def test_at_its_deadline_a_query_that_drew_is_answered_with_the_best_so_far(stage: Stage) -> None:
    stage.enter("0.5", deadline_seconds=10)
    ids = stage.decide(stage.due(), **{"_0.5": 2})
    stage.fail(ids["0.5"])
    stage.scene.pass_time(10.0)
    assert stage.rounds.expire() == 1
    (result,) = stage.scene.results.closed(stage.scene.run.id, ["0.5"])
    assert (result.outcome, result.answer is not None) == ("answered", True)
    assert stage.scene.account() == {"allowed": 100, "granted": 2, "returned": 0}


def test_at_the_deadline_what_nobody_has_begun_to_draw_is_taken_back_into_its_account(stage: Stage) -> None:
    stage.enter("0.5", deadline_seconds=10, tenant="b")
    ids = stage.decide(stage.due(), **{"_0.5": 3})
    stage.scene.pass_time(10.0)
    assert stage.rounds.expire() == 1
    assert stage.scene.outcomes() == {"0.5": "expired"}
    assert stage.scene.rows("SELECT tenant, granted, returned FROM accounts") == [("b", 3, 3)]
    assert stage.scene.one("SELECT state FROM allocations") == "dead"
    assert stage.scene.sampler().claim(list(ids.values())) == []


def test_what_is_being_drawn_at_its_deadline_is_drawn_to_its_end_and_then_answered(stage: Stage) -> None:
    stage.enter("0.5", deadline_seconds=10)
    ids = stage.decide(stage.due(), **{"_0.5": 2})
    claim = stage.claim(ids["0.5"])
    stage.scene.pass_time(10.0)
    assert stage.rounds.expire() == 0
    assert stage.scene.outcomes() == {"0.5": None}
    stage.end(claim)
    assert stage.rounds.expire() == 1
    assert stage.scene.outcomes() == {"0.5": "answered"}
    assert stage.scene.account() == {"allowed": 100, "granted": 2, "returned": 0}


def test_a_query_that_ended_before_its_deadline_stays_as_it_ended(stage: Stage) -> None:
    stage.enter("0.5", deadline_seconds=10)
    due = stage.due()
    stage.rounds.commit_round(stage.epoch, due, [stage.bought(due.queries[0], 0, "worthless")], [])
    stage.scene.pass_time(10.0)
    assert stage.rounds.expire() == 0
    assert stage.scene.outcomes() == {"0.5": "abstained"}


def test_a_deadline_holds_under_a_policy_that_buys_once_too(database: Database) -> None:
    scene = Scene(database)
    stage = Stage(scene)
    stage.windows.lease.release()
    scene.add(query("late", deadline_seconds=10), query("claimed", deadline_seconds=10), query("free"))
    ids = scene.grant(2, 2, 2)
    (claimed,) = scene.rows(
        "SELECT a.id FROM allocations a JOIN queries q ON q.id = query_id WHERE external_id = 'claimed'"
    )
    stage.claim(claimed.id)
    scene.pass_time(10.0)
    assert stage.rounds.expire() == 1
    assert scene.outcomes() == {"claimed": None, "free": None, "late": "expired"}
    assert scene.account() == {"allowed": 6, "granted": 6, "returned": 2}
    assert len(ids) == 3
