"""Proves that a producer gets one answer for each query, or one error that says why."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
import sqlalchemy

from adaqueue import (
    AdaQueue,
    Answer,
    BadQueryError,
    ConflictError,
    DeadLetteredError,
    InboxFullError,
    Query,
    QueryExpiredError,
    RecordedSample,
    Recording,
    SettingsError,
    UnavailableError,
)
from tests.e2e.books import check_books
from tests.e2e.live import System, eventually, first_success, recorded, recorded_many

UNVERIFIABLE = Query(
    "math",
    "What is left?",
    id="unverifiable",
    reference="$$",  # a reference that holds no answer
    recording=Recording((RecordedSample("4", None),) * 8),
)


@pytest.fixture(scope="module")
def system(place: Path) -> Iterator[System]:
    system = System(place / "data", most_failures=2).up()
    yield system
    assert system.stop() == 0


@pytest.fixture
def queue(system: System) -> Iterator[AdaQueue]:
    with system.connect() as queue:
        yield queue


@contextmanager
def ledger_queries() -> Iterator[list[str]]:
    """Every statement that this process sends to the ledger."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    yield statements
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


def test_an_enqueued_query_is_answered_with_the_best_of_its_samples(system: System, queue: AdaQueue) -> None:
    asked = recorded("alone")
    receipt = queue.enqueue(asked)
    answer = receipt.result(timeout=60)
    assert (receipt.id, receipt.reached, receipt.done()) == ("alone", "accepted", True)
    needed = first_success(asked)
    assert (answer.id, answer.budget, answer.text, answer.outcome) == ("alone", needed, None, "answered")
    check_books(system, queue.run.id, [asked], [answer])


def test_a_query_without_an_id_is_given_one(queue: AdaQueue) -> None:
    receipt = queue.enqueue(Query("math", "What is 2 + 2?", recording=recorded("any").recording))
    assert receipt.id
    assert receipt.result(timeout=60).id == receipt.id


def test_recorded_responses_are_verified_against_the_reference(queue: AdaQueue) -> None:
    responses = ("I think 5", "The answer is 4", "no idea", "4")
    recording = Recording(tuple(RecordedSample(text, None) for text in responses))
    answer = queue.enqueue(Query("math", "What is 2 + 2?", "4", recording=recording)).result(timeout=60)
    assert (answer.text, answer.reward, answer.verified) == ("The answer is 4", 1.0, True)


def test_many_queries_are_answered_as_they_complete(system: System, queue: AdaQueue) -> None:
    asked = recorded_many("many", 450)
    receipts = queue.enqueue_many(asked)
    assert [receipt.id for receipt in receipts] == [query.id for query in asked]
    check_books(system, queue.run.id, asked, list(queue.as_completed(receipts, timeout=60)))


def test_a_thousand_receipts_are_awaited_at_once_by_one_thread_and_few_ledger_queries(
    system: System, queue: AdaQueue
) -> None:
    asked = recorded_many("awaited", 1_000)

    async def ask() -> list[Answer]:
        return await asyncio.gather(*queue.enqueue_many(asked))

    threads = threading.active_count()
    with ledger_queries() as statements:
        answers = asyncio.run(ask())
    assert threading.active_count() == threads + 1
    assert len(statements) < len(asked) / 2
    assert [answer.id for answer in answers] == [query.id for query in asked]
    check_books(system, queue.run.id, asked, answers)


def test_the_same_id_and_content_twice_is_one_query(system: System, queue: AdaQueue) -> None:
    asked = recorded("twice")
    first, again = queue.enqueue(asked), queue.enqueue(asked)
    assert first.result(timeout=60) == again.result(timeout=60)
    assert queue.enqueue(asked).result(timeout=60) == first.result()
    check_books(system, queue.run.id, [asked], [first.result()])


def test_an_id_with_other_content_is_refused(queue: AdaQueue) -> None:
    queue.enqueue(recorded("taken"))
    other = Query("math", "What else?", id="taken", recording=recorded("taken").recording)
    with pytest.raises(ConflictError, match="'taken': was given before in this run with other content"):
        queue.enqueue(other)


def test_a_conflict_among_many_fails_its_own_receipt_alone(system: System, queue: AdaQueue) -> None:
    asked = recorded_many("unharmed", 20)
    other = Query("math", "What else?", id="unharmed-3", recording=recorded("any").recording)
    receipts = queue.enqueue_many([*asked[:10], other, *asked[10:]])
    conflicting = receipts.pop(10)
    with pytest.raises(ConflictError):
        conflicting.result()
    check_books(system, queue.run.id, asked, list(queue.as_completed(receipts, timeout=60)))


def test_the_same_id_in_another_run_is_another_query(system: System, queue: AdaQueue) -> None:
    queue.enqueue(recorded("shared name"))
    with system.connect() as second:
        other = Query("math", "What else?", id="shared name", recording=recorded("any").recording)
        assert second.enqueue(other).result(timeout=60).id == "shared name"


def test_a_replay_run_refuses_a_query_without_recording_and_accepts_nothing(
    system: System, queue: AdaQueue
) -> None:
    bare = Query("math", "What is 2 + 2?", "4")
    with pytest.raises(BadQueryError, match="recording: None: the replay engine needs recorded samples"):
        queue.enqueue_many([recorded("beside"), bare])
    queue.enqueue(recorded("after")).result(timeout=60)
    assert system.ask("SELECT external_id FROM queries WHERE run_id = %s", queue.run.id) == [("after",)]


def test_a_timeout_leaves_the_receipt_good(queue: AdaQueue) -> None:
    receipt = queue.enqueue(recorded("late"))
    with pytest.raises(TimeoutError):
        receipt.result(timeout=0)
    with pytest.raises(TimeoutError, match="1 queries have not ended after 0 s"):
        list(queue.as_completed([receipt], timeout=0))

    async def stop_waiting_then_wait() -> Answer:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receipt, 0.001)
        return await receipt

    assert asyncio.run(stop_waiting_then_wait()) == receipt.result(timeout=60)


def test_a_query_that_cannot_be_carried_out_raises_why_after_all_answers_were_given(
    system: System, queue: AdaQueue
) -> None:
    asked = recorded_many("answerable", 20)
    receipts = queue.enqueue_many([UNVERIFIABLE, *asked])
    answers: list[Answer] = []
    with pytest.raises(ExceptionGroup, match="1 queries ended without an answer") as raised:
        answers += queue.as_completed(receipts, timeout=60)
    assert sorted(answer.id for answer in answers) == sorted(str(query.id) for query in asked)
    (error,) = raised.value.exceptions
    assert isinstance(error, DeadLetteredError)
    assert error.query_id == "unverifiable"
    assert "2 attempts failed, the last one: not verified" in error.reason
    drawn = sum(answer.samples_used for answer in answers)
    assert queue.counts()["account"] == queue.counts()["samples"] == drawn + 1


def test_an_id_that_redis_forgot_and_the_ledger_has_with_other_content_is_a_dead_letter(
    system: System, queue: AdaQueue
) -> None:
    first = queue.enqueue(recorded("forgotten"))
    first.result(timeout=60)
    with redis.Redis.from_url(system.urls().redis_url) as client:
        assert client.delete(f"adaqueue:seen:{queue.run.id}:7:default:forgotten") == 1
    other = Query("math", "What else?", id="forgotten", recording=recorded("any").recording)
    with pytest.raises(DeadLetteredError, match="given before in this run with other content"):
        queue.enqueue(other).result(timeout=60)
    assert queue.counts()["queries"] == 1


@pytest.mark.parametrize("policy", ["sequential", "window"])
def test_minimum_and_maximum_budgets_are_kept(system: System, policy: str) -> None:
    asked = [
        *(recorded(f"free-{number}") for number in range(10)),
        *(recorded(f"at least 7-{number}", min_budget=7) for number in range(5)),
        *(recorded(f"at most 1-{number}", max_budget=1) for number in range(5)),
        *(recorded(f"none-{number}", max_budget=0) for number in range(2)),
    ]
    with system.connect(policy=policy, batch=True) as queue:
        receipts = queue.enqueue_many(asked)
        queue.seal()
        budgets = {answer.id: answer.budget for answer in queue.as_completed(receipts, 60)}
    assert all(budget >= 7 for name, budget in budgets.items() if name.startswith("at least 7"))
    assert all(budget <= 1 for name, budget in budgets.items() if name.startswith("at most 1"))
    assert all(budget == 0 for name, budget in budgets.items() if name.startswith("none"))
    if policy == "sequential":
        needed = {str(query.id): max(first_success(query), query.min_budget) for query in asked}
        assert all(budgets[name] <= needed[name] for name in budgets)
        assert sum(budgets.values()) <= 4 * len(asked)
    else:
        assert sum(budgets.values()) == 4 * len(asked)


def test_a_run_without_budget_abstains_from_every_query(system: System) -> None:
    with system.connect(average_budget=0) as queue:
        asked = recorded_many("nothing to spend", 10)
        answers = list(queue.as_completed(queue.enqueue_many(asked), timeout=60))
        assert {(a.text, a.reward, a.verified, a.budget, a.samples_used, a.abstained) for a in answers} == {
            ("I don't know", None, False, 0, 0, True)
        }
        check_books(system, queue.run.id, asked, answers)


@pytest.mark.parametrize("average_budget", [1, 2.5, 6])
@pytest.mark.parametrize("policy", ["uniform", "window", "beta_window"])
def test_budgets_sum_to_the_average_budget_of_all_queries(
    system: System, policy: str, average_budget: float
) -> None:
    with system.connect(average_budget=average_budget, policy=policy) as queue:
        asked = recorded_many(f"{policy} {average_budget}", 300)
        answers = list(queue.as_completed(queue.enqueue_many(asked), timeout=60))
        assert sum(answer.samples_used for answer in answers) == average_budget * len(asked)
        check_books(system, queue.run.id, asked, answers)


@pytest.mark.parametrize("average_budget", [1, 2.5, 6])
@pytest.mark.parametrize("policy", ["sequential", "uniform_early_stop"])
def test_a_batch_draws_until_all_are_solved_or_its_total_is_spent(
    system: System, policy: str, average_budget: float
) -> None:
    with system.connect(average_budget=average_budget, policy=policy, batch=True) as queue:
        asked = recorded_many(f"{policy} batch {average_budget}", 300)
        receipts = queue.enqueue_many(asked)
        eventually(lambda: queue.counts()["queries"] == len(asked), "all are in the ledger")
        queue.seal()
        answers = list(queue.as_completed(receipts, timeout=60))
        needed = sum(first_success(query) for query in asked)
        assert sum(answer.samples_used for answer in answers) == min(average_budget * len(asked), needed)
        check_books(system, queue.run.id, asked, answers)


def test_a_stream_draws_until_a_success_whatever_of_its_budget_that_takes(system: System) -> None:
    with system.connect(average_budget=4) as queue:
        asked = recorded_many("stream", 200)
        answers = list(queue.as_completed(queue.enqueue_many(asked), timeout=60))
        needed = {query.id: first_success(query) for query in asked}
        assert {answer.id: answer.samples_used for answer in answers} == needed
        check_books(system, queue.run.id, asked, answers)


def test_the_same_id_of_two_tenants_is_two_queries_of_two_accounts(system: System, queue: AdaQueue) -> None:
    ours, theirs = (recorded("of both", tenant=tenant) for tenant in (None, "they: 7"))
    answers = [receipt.result(timeout=60) for receipt in queue.enqueue_many([ours, theirs])]
    assert [answer.id for answer in answers] == ["of both"] * 2
    accounts = "SELECT tenant, allowed, granted - returned FROM accounts WHERE run_id = %s ORDER BY tenant"
    needed = first_success(ours)
    assert system.ask(accounts, queue.run.id) == [("default", 4, needed), ("they: 7", 4, needed)]


def test_a_query_that_drew_nothing_by_its_deadline_expires_and_the_others_are_answered(
    system: System, queue: AdaQueue
) -> None:
    sampler = system.find("sampler")
    sampler.suspend()
    try:
        hasty, patient = queue.enqueue_many([recorded("hasty", deadline_seconds=1.0), recorded("patient")])
        with pytest.raises(QueryExpiredError, match="'hasty': expired"):
            hasty.result(timeout=60)
    finally:
        sampler.resume()
    assert patient.result(timeout=60).samples_used == first_success(recorded("patient"))
    eventually(
        lambda: (
            system.ask(
                "SELECT granted - returned = "
                "(SELECT count(*) FROM samples s JOIN queries q ON q.id = s.query_id "
                "WHERE q.run_id = a.run_id) FROM accounts a WHERE run_id = %s",
                queue.run.id,
            )
            == [(True,)]
        ),
        "what was not drawn is back in the account",
    )


def test_a_run_is_no_batch_if_it_was_opened_as_a_stream(system: System) -> None:
    name = f"stream {uuid4()}"
    with system.connect(run=name), pytest.raises(SettingsError, match="is_batch: True: the open run"):
        system.connect(run=name, batch=True)


def test_a_domain_without_a_probe_has_no_rule(queue: AdaQueue) -> None:
    assert queue.rule("math") is None


def test_a_run_is_continued_under_its_name_until_it_is_finished(system: System) -> None:
    name = f"nightly {uuid4()}"
    asked = recorded_many("continued", 30)
    with system.connect(run=name, average_budget=2) as first:
        receipts = first.enqueue_many(asked[:20])
    with system.connect(run=name) as second:
        assert second.run == first.run
        receipts = second.enqueue_many(asked)
        answers = list(second.as_completed(receipts, timeout=60))
        check_books(system, second.run.id, asked, answers)
        second.finish()
    with system.connect(run=name) as third:
        assert third.run.id != first.run.id
        assert third.counts()["queries"] == 0


def test_a_full_inbox_makes_the_client_wait_and_then_says_so(system: System) -> None:
    asked = recorded_many("crowd", 30)
    with system.connect(inbox_capacity=10) as queue:
        scheduler = system.find("scheduler")
        scheduler.suspend()
        try:
            with pytest.raises(InboxFullError, match="try again"):
                queue.enqueue_many(asked, timeout=0.5)
        finally:
            scheduler.resume()
        receipts = queue.enqueue_many(asked)
        check_books(system, queue.run.id, asked, list(queue.as_completed(receipts, timeout=60)))


def test_a_closed_client_leaves_its_queries_to_the_system(system: System) -> None:
    with system.connect() as queue:
        queue.enqueue_many(recorded_many("left alone", 10))
    eventually(lambda: system.ended(queue) == 10, "the queries of a closed client end")


def test_without_a_system_connecting_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"no system is up in .*: start one with `adaqueue up`"):
        AdaQueue.connect(data_folder=tmp_path / "nothing")
