"""Proves that whatever is killed in the middle, every query gets one answer and no sample counts twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psutil
import pytest
import redis

from adaqueue import AdaQueue, Answer, DeadLetteredError, Query, Receipt, UnavailableError
from tests.e2e.books import check_books
from tests.e2e.live import HOLDS_CLAIMS, System, eventually, kill, recorded_many

QUERIES = 300
RECORDED = 48
RUN = {"average_budget": 12, "b_max": RECORDED}
# nobody but the suspended sampler stays within a transaction so long
HOLDS_CLAIMS_BETWEEN_TRANSACTIONS = """
SELECT EXISTS (SELECT 1 FROM allocations WHERE state = 'running') AND NOT EXISTS (
    SELECT 1 FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND xact_start < now() - interval '30 milliseconds'
)
"""


@pytest.fixture(scope="module")
def system(place: Path) -> Iterator[System]:
    system = System(place / "data", window_queries=50).up()
    yield system
    assert system.stop() == 0


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> list[Query]:
    return recorded_many(request.node.name, QUERIES, RECORDED)


def postgres_processes(system: System) -> list[psutil.Process]:
    postmaster = system.find("postgres")
    return [postmaster, *postmaster.children()]


def give(queue: AdaQueue, queries: list[Query]) -> list[Receipt]:
    """Gives queries again until they are accepted, as a producer would; giving them twice is harmless."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return queue.enqueue_many(queries)
        except UnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def wait_for_the_middle(system: System, queue: AdaQueue) -> None:
    """Waits until some queries of a run have ended and others have not."""
    ended = eventually(lambda: system.ended(queue), "some queries have ended")
    assert ended < QUERIES


def kill_sampler(system: System) -> None:
    kill(system.suspend_sampler(HOLDS_CLAIMS))


def kill_scheduler(system: System) -> None:
    kill(system.find("scheduler"))


def kill_redis(system: System) -> None:
    kill(system.find("redis"))


def kill_postgres(system: System) -> None:
    kill(*postgres_processes(system))


def kill_postmaster(system: System) -> None:
    kill(system.find("postgres"))


def kill_both_servers(system: System) -> None:
    kill(system.find("redis"), *postgres_processes(system))


@pytest.mark.parametrize(
    ("harm", "victims"),
    [
        (kill_sampler, ["sampler"]),
        (kill_scheduler, ["scheduler"]),
        (kill_redis, ["redis"]),
        (kill_postgres, ["postgres"]),
        (kill_postmaster, ["postgres"]),
        (kill_both_servers, ["redis", "postgres"]),
    ],
    ids=["sampler", "scheduler", "redis", "postgres", "postmaster", "both servers"],
)
def test_a_kill_in_the_middle_loses_nothing_and_counts_nothing_twice(
    system: System, asked: list[Query], harm: Callable[[System], None], victims: list[str]
) -> None:
    restarts = {name: system.status(name).restarts for name in victims}
    with system.connect(**RUN) as queue:
        receipts = queue.enqueue_many(asked[: QUERIES // 2])
        wait_for_the_middle(system, queue)
        harm(system)
        receipts += give(queue, asked[QUERIES // 2 :])
        answers = list(queue.as_completed(receipts, timeout=90))
        check_books(system, queue.run.id, asked, answers)
    for name in victims:
        system.find(name)
        assert system.status(name).restarts == restarts[name] + 1
        assert system.status(name).last_exit == "killed by SIGKILL"


def test_a_backend_of_postgres_killed_in_the_middle_harms_nobody(system: System, asked: list[Query]) -> None:
    with system.connect(**RUN) as queue:
        receipts = queue.enqueue_many(asked)
        wait_for_the_middle(system, queue)
        ((backend,),) = system.ask(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND pid <> pg_backend_pid() ORDER BY query_start DESC LIMIT 1"
        )
        os.kill(backend, signal.SIGKILL)
        check_books(system, queue.run.id, asked, list(queue.as_completed(receipts, timeout=90)))


def test_losing_every_key_of_redis_after_ingest_loses_no_query(system: System, asked: list[Query]) -> None:
    with system.connect(**RUN) as queue, redis.Redis.from_url(system.urls().redis_url) as client:
        sampler = system.find("sampler")
        sampler.suspend()
        try:
            receipts = queue.enqueue_many(asked)
            eventually(
                lambda: system.ask("SELECT 1 FROM allocations WHERE state = 'ready' OFFSET 100 LIMIT 1"),
                "doorbells were rung",
            )
            eventually(lambda: client.xlen("adaqueue:inbox") == 0, "all are ingested")
            client.flushall()
        finally:
            sampler.resume()
        check_books(system, queue.run.id, asked, list(queue.as_completed(receipts, timeout=90)))


def test_a_query_takes_the_ledger_where_redis_is_out_of_reach(system: System, asked: list[Query]) -> None:
    with system.connect(**RUN) as queue:
        receipts = queue.enqueue_many(asked[:100])
        supervisor = psutil.Process(system.process.pid)
        supervisor.suspend()  # so that Redis stays away
        try:
            kill_redis(system)
            receipts += queue.enqueue_many(asked[100:])
        finally:
            supervisor.resume()
        assert {receipt.reached for receipt in receipts[:100]} == {"accepted"}
        assert {receipt.reached for receipt in receipts[100:]} == {"ledger"}
        # an id that is only in the ledger is still one query
        assert queue.enqueue(asked[100]).result(timeout=60) == receipts[100].result(timeout=60)
        check_books(system, queue.run.id, asked, list(queue.as_completed(receipts, timeout=90)))


def test_queries_given_while_redis_hangs_are_answered(system: System, asked: list[Query]) -> None:
    with system.connect(**RUN) as queue:
        receipts = queue.enqueue_many(asked[:100])
        server = system.find("redis")
        server.suspend()
        try:
            receipts += queue.enqueue_many(asked[100:200])
        finally:
            server.resume()
        receipts += queue.enqueue_many(asked[200:])
        assert {receipt.reached for receipt in receipts[100:200]} == {"ledger"}
        check_books(system, queue.run.id, asked, list(queue.as_completed(receipts, timeout=90)))


@contextmanager
def second_sampler(system: System, first: psutil.Process) -> Iterator[None]:
    """Another sampler of the same system, as another machine would run it."""
    log = system.folder / "logs" / "second-sampler.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.sampler"], env=first.environ(), stdout=file, stderr=file
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def test_what_a_suspended_sampler_writes_after_others_took_over_is_void(
    system: System, asked: list[Query]
) -> None:
    with system.connect(**RUN) as queue:
        receipts = queue.enqueue_many(asked)
        suspended = system.suspend_sampler(HOLDS_CLAIMS_BETWEEN_TRANSACTIONS)
        claimed = system.ask("SELECT id, attempt FROM allocations WHERE state = 'running'")
        heard_of = "SELECT heartbeat_at FROM workers WHERE kind = 'sampler' AND pid = %s"
        with second_sampler(system, suspended):
            answers = list(queue.as_completed(receipts, timeout=90))
            check_books(system, queue.run.id, asked, answers)
            last_beat = system.ask(heard_of, suspended.pid)
            suspended.resume()
            eventually(lambda: system.ask(heard_of, suspended.pid) != last_beat, "the sampler is back")
        # alone again, it answers what comes next, and so is done with what it had in its hands
        more = recorded_many(f"after {asked[0].id}", 100, RECORDED)
        answers += queue.as_completed(queue.enqueue_many(more), timeout=90)
        check_books(system, queue.run.id, asked + more, answers)
        lost = system.ask(
            "SELECT t.allocation_id, t.attempt FROM attempts t JOIN allocations a ON a.id = t.allocation_id "
            "JOIN queries q ON q.id = a.query_id WHERE q.run_id = %s AND t.outcome = 'lost'",
            queue.run.id,
        )
        assert set(lost) == set(claimed)


def test_a_query_that_cannot_be_read_back_ends_as_a_dead_letter_and_stops_nobody(
    system: System, asked: list[Query]
) -> None:
    with system.connect(**RUN) as queue:
        scheduler = system.find("scheduler")
        sampler = system.find("sampler")
        sampler.suspend()
        receipts = queue.enqueue_many(asked)
        spoil: LiteralString = (
            "UPDATE queries SET prompt = to_jsonb(''::text) WHERE run_id = %s AND external_id = %s "
            "RETURNING external_id"
        )
        eventually(lambda: system.ask(spoil, queue.run.id, asked[7].id), "the query is in the ledger")
        sampler.resume()
        answers: list[Answer] = []
        with pytest.raises(ExceptionGroup, match="1 queries ended without an answer") as raised:
            answers += queue.as_completed(receipts, timeout=90)
        assert sorted(answer.id for answer in answers) == sorted(
            str(q.id) for q in asked if q is not asked[7]
        )
        (error,) = raised.value.exceptions
        assert isinstance(error, DeadLetteredError)
        assert error.query_id == asked[7].id
    assert system.find("scheduler") == scheduler
