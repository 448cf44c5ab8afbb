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
    RecordedSample,
    Recording,
    UnavailableError,
)
from tests.e2e.books import check_books
from tests.e2e.live import System, eventually, recorded, recorded_many

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
    assert (answer.id, answer.budget, answer.text, answer.outcome) == ("alone", 4, None, "answered")
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
    assert queue.counts()["account"] == queue.counts()["samples"] == 4 * 21


def test_an_id_that_redis_forgot_and_the_ledger_has_with_other_content_is_a_dead_letter(
    system: System, queue: AdaQueue
) -> None:
    first = queue.enqueue(recorded("forgotten"))
    first.result(timeout=60)
    with redis.Redis.from_url(system.urls().redis_url) as client:
        assert client.delete(f"adaqueue:seen:{queue.run.id}:forgotten") == 1
    other = Query("math", "What else?", id="forgotten", recording=recorded("any").recording)
    with pytest.raises(DeadLetteredError, match="given before in this run with other content"):
        queue.enqueue(other).result(timeout=60)
    assert queue.counts()["queries"] == 1


def test_minimum_and_maximum_budgets_are_kept(queue: AdaQueue) -> None:
    asked = [
        *(recorded(f"free-{number}") for number in range(10)),
        *(recorded(f"at least 7-{number}", min_budget=7) for number in range(5)),
        *(recorded(f"at most 1-{number}", max_budget=1) for number in range(5)),
        *(recorded(f"none-{number}", max_budget=0) for number in range(2)),
    ]
    budgets = {answer.id: answer.budget for answer in queue.as_completed(queue.enqueue_many(asked), 60)}
    assert all(budget >= 7 for name, budget in budgets.items() if name.startswith("at least 7"))
    assert all(budget <= 1 for name, budget in budgets.items() if name.startswith("at most 1"))
    assert all(budget == 0 for name, budget in budgets.items() if name.startswith("none"))
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
@pytest.mark.parametrize("policy", ["uniform", "window"])
def test_budgets_sum_to_the_average_budget_of_all_queries(
    system: System, policy: str, average_budget: float
) -> None:
    with system.connect(average_budget=average_budget, policy=policy) as queue:
        asked = recorded_many(f"{policy} {average_budget}", 300)
        answers = list(queue.as_completed(queue.enqueue_many(asked), timeout=60))
        assert sum(answer.samples_used for answer in answers) == average_budget * len(asked)
        check_books(system, queue.run.id, asked, answers)


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
