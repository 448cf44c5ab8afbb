"""Proves that machines that share Redis and Postgres alone share the work, and outlive each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adaqueue import Query, RecordedSample, Recording
from tests.e2e.books import check_books
from tests.e2e.live import System, eventually, kill_everything, processes_of, recorded_many

QUERIES = 3_000
DOUBLES = {"style": "function", "entry": "f", "tests": [{"args": [n], "expected": 2 * n} for n in range(3)]}


@pytest.fixture
def machines(place: Path) -> Iterator[tuple[System, System]]:
    """Two systems with two samplers' and verifiers' processes together, each with its own data folder."""
    first = System(place / "first", window_queries=64, sandboxes=1).up()
    urls = first.urls()
    second = System(
        place / "second",
        redis_url=urls.redis_url,
        broker_url=urls.broker_url,
        database_url=urls.database_url,
        window_queries=64,
        sandboxes=1,
    ).up()
    yield first, second
    assert second.stop() == 0
    assert first.stop() == 0
    assert processes_of(place) == []


def finished_by(system: System, run_id: Any, kind: str = "sampler") -> Counter[int]:
    """How many allocations each process of a kind of worker has finished."""
    rows = system.ask(
        "SELECT w.pid, count(*) FROM attempts t JOIN workers w ON w.id = t.worker_id "
        "JOIN allocations a ON a.id = t.allocation_id JOIN queries q ON q.id = a.query_id "
        "WHERE q.run_id = %s AND w.kind = %s AND t.outcome = 'finished' GROUP BY w.pid",
        run_id,
        kind,
    )
    return Counter(dict(rows))


def code_queries(count: int) -> list[Query]:
    """Queries whose recorded programs are still to be verified: every second one is right."""
    samples = [" 2 * x", " x + 1"]
    return [
        Query(
            "code",
            'def f(x):\n    """Double x."""\n    return',
            DOUBLES,
            id=f"code-{number}",
            recording=Recording(tuple(RecordedSample(text, None) for text in samples[number % 2 :])),
        )
        for number in range(count)
    ]


def test_two_machines_share_the_work_and_lose_none_of_it(machines: tuple[System, System]) -> None:
    first, second = machines
    asked = recorded_many("shared", QUERIES)
    with first.connect(average_budget=4) as queue:
        answers = list(queue.as_completed(queue.enqueue_many(asked), timeout=120))
        check_books(first, queue.run.id, asked, answers)
        shares = finished_by(first, queue.run.id)
    assert set(shares) == {first.find("sampler").pid, second.find("sampler").pid}
    assert max(shares.values()) - min(shares.values()) <= 0.2 * sum(shares.values()), shares


def test_programs_are_verified_wherever_they_were_drawn(machines: tuple[System, System]) -> None:
    first, _ = machines
    asked = code_queries(300)
    with first.connect(average_budget=1, policy="uniform") as queue:
        answers = list(queue.as_completed(queue.enqueue_many(asked), timeout=120))
        samplers, verifiers = (finished_by(first, queue.run.id, kind) for kind in ("sampler", "verifier"))
    assert {answer.id: answer.verified for answer in answers} == {
        query.id: number % 2 == 0 for number, query in enumerate(asked)
    }
    assert len(samplers) == len(verifiers) == 2


def test_a_machine_that_is_switched_off_leaves_its_work_to_the_other(
    machines: tuple[System, System],
) -> None:
    first, second = machines
    asked = recorded_many("orphaned", QUERIES)
    with first.connect(average_budget=4) as queue:
        receipts = queue.enqueue_many(asked)
        eventually(lambda: first.ended(queue) > 100, "both work")
        kill_everything(second.folder)
        second.process.wait()
        answers = list(queue.as_completed(receipts, timeout=120))
        check_books(first, queue.run.id, asked, answers)
    second.up()
