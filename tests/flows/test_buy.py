"""Proves that sequential buying spends an account's total, no more, on the likeliest, whatever crashes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from adaqueue.core.decisions import Account, Open, Prediction, Round, Waiting
from adaqueue.core.query import Query
from adaqueue.core.specs import Run
from adaqueue.flows.schedule import buy_once, decide_round, schedule_once
from tests.flows.crashes import FAULTS
from tests.flows.plant import Believer, Plant, cut_off_everywhere, submit
from tests.scene import Scene, query, recorded

RUN = Run(UUID(int=1), "r", "transformers", "m", "sequential", 2.0, 8, False, is_batch=True)
BATCH = Account(RUN, "t", 10.0, 200.0)
STREAM = Account(replace(RUN, is_batch=False), "t", 10.0, 200.0, 0.3, 0.3)
CHANCES = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=8)


def open_query(chance: float, drawn: int = 0, low: int = 0) -> Open:
    said = Prediction(chance, 1 - chance, "p", "")
    return Open(uuid7(), str(uuid7()), said, drawn, low, 8, None)


def decide(
    account: Account, *queries: Open, room: int = 100, last: bool = False
) -> tuple[list[int], list[str]]:
    """Returns each query's samples, and why it ends, in order."""
    due = Round(uuid7(), account, queries, room, last)
    allocations, kept = decide_round(due, waves=4)
    by_query = {one.query_id: one for one in allocations}
    assert not set(by_query) & {outlook.query_id for outlook in kept}
    found = [by_query.get(one.id) for one in queries]
    return [one.budget if one else 0 for one in found], [one.reason if one else "" for one in found]


@settings(max_examples=100, deadline=None)
@given(CHANCES, st.integers(0, 20), st.integers(0, 20), st.data())
def test_a_round_buys_no_more_than_room_and_credit_allow_and_the_likeliest_first(
    chances: list[float], room: int, credit: int, data: st.DataObject
) -> None:
    drawn = data.draw(st.lists(st.integers(0, 7), min_size=len(chances), max_size=len(chances)))
    queries = [open_query(chance, d) for chance, d in zip(chances, drawn, strict=True)]
    units, _ = decide(replace(BATCH, balance=float(credit)), *queries, room=room)
    possible = sum(min(1 + d // 4, 8 - d) for d in drawn)
    assert sum(units) == min(room, credit, possible)
    index = [chance / (1 + d) for chance, d in zip(chances, drawn, strict=True)]
    bought = [i for i, n in zip(index, units, strict=True) if n]
    passed_over = [i for i, n in zip(index, units, strict=True) if not n]
    assert min(bought, default=1.0) >= max(passed_over, default=0.0) - 1e-12


def test_a_query_that_failed_more_draws_more_at_once() -> None:
    (few,), _ = decide(BATCH, open_query(0.5, drawn=3))
    (more,), _ = decide(BATCH, open_query(0.5, drawn=4))
    assert (few, more) == (1, 2)


def test_a_promise_is_kept_at_any_price_and_without_credit() -> None:
    priced = replace(STREAM, balance=-500.0)
    assert decide(priced, open_query(0.1, low=3)) == ([3], [""])


def test_a_stream_ends_what_is_worth_less_than_its_price_and_says_so() -> None:
    units, reasons = decide(STREAM, open_query(0.5), open_query(0.5, drawn=1), open_query(0.2))
    assert units == [1, 0, 0]
    assert reasons == ["", *["its next sample is worth less than the price"] * 2]


def test_a_stream_overdraws_by_a_windows_allowance_and_no_more() -> None:
    stream = replace(STREAM, balance=-199.0)
    assert decide(stream, open_query(0.5), open_query(0.4))[0] == [1, 0]
    assert decide(replace(stream, balance=-200.0), open_query(0.5)) == ([0], ["the account is overdrawn"])


def test_a_batch_ends_its_queries_only_once_nothing_can_come_back() -> None:
    spent = replace(BATCH, balance=0.0)
    assert decide(spent, open_query(0.5)) == ([0], [""])
    assert decide(spent, open_query(0.5), last=True) == ([0], ["the account is spent"])


@pytest.fixture
def batch(build: Callable[..., Plant]) -> Plant:
    return build("batch", policy="sequential", is_batch=True, has_features=False)


def test_what_a_success_did_not_use_buys_samples_of_others(build: Callable[..., Plant]) -> None:
    """Sample 1 passes where the reference is 1; b never passes."""
    more = build("more", policy="sequential", average_budget=4.0, is_batch=True, has_features=False)
    submit(more, query("a", reference="1"), query("b", reference="never", max_budget=6))
    more.settle()
    assert drawn(more) == {"a": 2, "b": 6}


def drawn(plant: Plant) -> dict[str, int]:
    rows = plant.scene.rows(
        "SELECT external_id, count(s.number) AS n FROM queries q LEFT JOIN samples s ON s.query_id = q.id "
        "WHERE run_id = :run GROUP BY external_id",
        run=plant.scene.run.id,
    )
    return {row.external_id: row.n for row in rows}


def test_every_decision_says_policy_probe_price_index_and_reason(batch: Plant) -> None:
    submit(batch, query("a", reference="never"))
    batch.settle()
    rows = batch.scene.rows(
        "SELECT policy, probe, price, index, budget, first_sample, propensity, reason FROM allocations "
        "ORDER BY first_sample"
    )
    assert [tuple(row) for row in rows] == [
        ("sequential", "prior", 0.5, 0.5, 1, 0, 1.0, "no probe"),
        ("sequential", "prior", pytest.approx(1 / 3), pytest.approx(1 / 3), 1, 1, 1.0, "no probe"),
        ("sequential", "prior", 0.0, 0.25, 0, 2, 1.0, "the account is spent"),
    ]


def test_one_tenant_cannot_spend_what_another_brought(batch: Plant) -> None:
    submit(batch, *(query(f"x{n}", reference="never", tenant="greedy", max_budget=8) for n in range(2)))
    submit(batch, *(query(f"y{n}", reference="never", tenant="modest", max_budget=8) for n in range(4)))
    batch.settle()
    rows = batch.scene.rows("SELECT tenant, allowed, granted, returned FROM accounts ORDER BY tenant")
    assert [tuple(row) for row in rows] == [("greedy", 4, 4, 0), ("modest", 8, 8, 0)]
    spent = drawn(batch)
    assert spent["x0"] + spent["x1"] == 4


def test_the_same_id_of_two_tenants_is_two_queries(batch: Plant) -> None:
    submit(batch, query("a", reference="1", tenant="one"), query("a", reference="1", tenant="two"))
    batch.settle()
    assert batch.scene.one("SELECT count(*) FROM answers") == 2
    told = batch.scene.results.closed(batch.scene.run.id, ["a"])
    assert len({result.content for result in told}) == 2


def test_at_its_deadline_a_query_ends_with_what_it_has_or_expires(batch: Plant) -> None:
    submit(
        batch,
        query("drawn", reference="never", deadline_seconds=30),
        query("never drawn", reference="1", deadline_seconds=30),
        query("patient", reference="1"),
    )
    batch.ingest()
    batch.schedule()
    batch.buy()
    first = batch.scene.one("SELECT external_id FROM queries q JOIN allocations a ON a.query_id = q.id")
    assert batch.work() == batch.work() == 1  # it is drawn, then verified
    batch.scene.pass_time(31.0)
    assert batch.buy() >= 1
    outcomes = batch.scene.outcomes()
    late = {"drawn": "expired", "never drawn": "expired", "patient": None}
    assert outcomes == {**late, **({first: "answered"} if first != "patient" else {})}


def test_what_waits_undrawn_at_its_deadline_gives_its_samples_back(batch: Plant) -> None:
    submit(batch, query("a", reference="1", deadline_seconds=30))
    batch.ingest()
    batch.schedule()
    batch.buy()
    batch.scene.pass_time(31.0)
    batch.buy()
    assert batch.scene.outcomes() == {"a": "expired"}
    assert batch.scene.account() == {"allowed": 2, "granted": 1, "returned": 1}
    assert batch.work() == 1
    assert batch.scene.one("SELECT count(*) FROM samples") == 0


def test_a_batch_that_nobody_seals_ends_when_no_query_came_for_a_while(batch: Plant) -> None:
    submit(batch, query("a", reference="never"))
    for _ in range(12):
        batch.ingest() or batch.work() or batch.schedule() or batch.buy()
    assert batch.scene.outcomes() == {"a": None}
    batch.scene.pass_time(31.0)
    batch.buy()
    assert batch.scene.outcomes() == {"a": "answered"}


def test_a_sealed_batch_ends_at_once(batch: Plant) -> None:
    batch.scene.results.seal_run(batch.scene.run.id, 1)
    submit(batch, query("a", reference="never"))
    for _ in range(12):
        batch.ingest() or batch.work() or batch.schedule() or batch.buy()
    assert batch.scene.outcomes() == {"a": "answered"}


def test_a_stream_opens_with_the_price_at_which_it_is_believed_to_spend_its_budget(
    build: Callable[..., Plant],
) -> None:
    plant = build("stream", policy="sequential", has_features=False)
    submit(plant, query("a", reference="never"), query("b", reference="1"))
    plant.settle()
    base, price = plant.scene.one("SELECT base_price, price FROM accounts")
    assert base == price == pytest.approx(1 / 5)  # 1/2, 1/3, 1/4, 1/5: 1 + 1/2 + 1/3 + 1/4 samples reach 2
    assert drawn(plant) == {"a": 4, "b": 2}


@pytest.mark.parametrize(
    ("flow", "is_batch"), [("schedule", False), ("buy", True), ("draw", True), ("verify", True)]
)
@pytest.mark.parametrize(("fault", "after"), FAULTS)
def test_a_fault_at_any_call_changes_no_total(
    build: Callable[..., Plant], flow: str, is_batch: bool, fault: type[BaseException], after: bool
) -> None:
    def two_queries(name: str) -> Plant:
        plant = build(name, policy="sequential", is_batch=is_batch)
        submit(plant, query("a", reference="1"), query("b", reference="1"))
        return plant

    assert cut_off_everywhere(two_queries, flow, fault, after) >= 3


def test_a_batch_waits_for_every_query_that_it_was_sealed_with(batch: Plant) -> None:
    batch.scene.results.seal_run(batch.scene.run.id, 2)
    submit(batch, query("a", reference="never"))
    for _ in range(12):
        batch.ingest() or batch.work() or batch.schedule() or batch.buy()
    assert batch.scene.outcomes() == {"a": None}
    submit(batch, query("b", reference="1", max_budget=2))
    for _ in range(20):
        batch.ingest() or batch.work() or batch.schedule() or batch.buy()
    assert batch.scene.outcomes() == {"a": "answered", "b": "answered"}
    assert sum(drawn(batch).values()) == 4


def test_a_streams_opening_price_is_that_of_all_its_first_queries(build: Callable[..., Plant]) -> None:
    plant = build("stream", policy="sequential", average_budget=1.0, has_features=False)
    beliefs = [Prediction(19.0, 1.0, "p", ""), *[Prediction(1.0, 3.0, "p", "")] * 8]

    class Knower(Believer):
        def predict(self, run: Run, queries: Sequence[Waiting]) -> list[Prediction]:
            return [beliefs.pop(0) for _ in queries]

    for number in range(9):
        submit(plant, query(f"q{number}", reference="1"))
        plant.ingest()
        schedule_once(plant.windows.lease, plant.windows, Knower(), plant.bell, window_queries=100)
    base = plant.scene.one("SELECT base_price FROM accounts")
    assert base == pytest.approx(0.25, rel=0.01)


def test_a_success_stands_though_the_verifier_broke_on_another_sample(batch: Plant) -> None:
    batch.judge.out_of_order = lambda sample: sample.number == 0
    submit(batch, query("a", reference="1", min_budget=2))
    batch.settle()
    assert batch.scene.outcomes() == {"a": "answered"}
    assert batch.scene.one("SELECT verified FROM answers") is True


def test_what_was_drawn_before_the_deadline_is_not_given_back(batch: Plant) -> None:
    submit(batch, query("a", reference="never", min_budget=4, deadline_seconds=30))
    batch.ingest()
    batch.schedule()
    batch.buy()
    batch.stops = True
    batch.work()
    batch.stops = False
    batch.scene.pass_time(31.0)
    assert batch.scene.one("SELECT count(*) FROM samples") == 3
    batch.settle()
    assert batch.scene.outcomes() == {"a": "answered"}
    assert batch.scene.account() == {"allowed": 2, "granted": 4, "returned": 0}


def test_a_stream_that_may_spend_nothing_draws_what_is_promised(build: Callable[..., Plant]) -> None:
    plant = build("stream", policy="sequential", average_budget=0.0, has_features=False)
    submit(plant, query("a", reference="1"), query("b", reference="1", min_budget=1))
    plant.settle()
    assert drawn(plant) == {"a": 0, "b": 1}


def test_chat_and_math_in_one_account_are_refused(batch: Plant) -> None:
    scene = Scene(batch.scene.database, engine="replay", policy="sequential", name="both")
    scene.add(query("m", recording=recorded(1.0)))
    story = scene.arrival(Query(domain="chat", prompt="A story.", id="c", recording=recorded(3.5)))
    _, refused = scene.ingest.insert([story])
    assert [refusal.reason for refusal in refused] == [
        "rewards of chat and math have different units: give each a run of its own"
    ]


def test_accounts_that_can_buy_nothing_do_not_keep_one_that_can_waiting(batch: Plant) -> None:
    submit(batch, *(query(f"x{n}", reference="never", tenant=f"t{n}") for n in range(5)))
    for _ in range(60):
        batch.ingest() or batch.work() or batch.schedule() or batch.buy()
    assert drawn(batch) == {f"x{n}": 2 for n in range(5)}
    submit(batch, query("late", reference="1", tenant="late"))
    batch.ingest()
    batch.schedule()
    assert batch.buy() == 1


def test_a_scheduler_decides_on_nothing_that_it_read_before_it_held_the_lease(batch: Plant) -> None:
    submit(batch, query("a", reference="1"))
    batch.ingest()
    batch.schedule()
    other = batch.scene.windows(lease_seconds=10.0)
    rounds = batch.scene.rounds(other.lease)
    assert buy_once(other.lease, rounds, batch.bell, waves=4) == 0
    served = batch.scene.one("SELECT served_at FROM accounts")
    assert buy_once(other.lease, rounds, batch.bell, waves=4) == 0
    assert batch.scene.one("SELECT served_at FROM accounts") == served
    assert batch.buy() == 1
