"""Proves that verdicts survive whatever is killed while programs run: others give them, and rightly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from adaqueue import Query, RecordedSample, Recording
from tests.e2e.live import System, eventually, kill, processes_of

QUERIES = 24
RIGHT = "import time\ntime.sleep(0.25)\nprint(int(input()) * 2)"
WRONG = "import time\ntime.sleep(0.25)\nprint(int(input()) + 1)"
REFERENCE = {"style": "stdin", "tests": [["3\n", "6\n"], ["5\n", "10\n"]]}
VERIFIES = "SELECT EXISTS (SELECT 1 FROM allocations WHERE stage = 'verify' AND state = 'running')"


@pytest.fixture(scope="module")
def system(place: Path) -> Iterator[System]:
    system = System(place / "data", audit_share=0).up()
    yield system
    assert system.stop() == 0
    assert processes_of(system.folder) == []


def asked(name: str) -> list[Query]:
    """Queries with two recorded programs each, the second of them right; each takes its time."""

    def recording(number: int) -> Recording:
        # a program that occurs twice in a batch is run once
        return Recording(tuple(RecordedSample(f"# {name} {number}\n{text}", None) for text in (WRONG, RIGHT)))

    return [
        Query("code", "Double it.", REFERENCE, id=f"{name} {number}", recording=recording(number))
        for number in range(QUERIES)
    ]


def zygote_of(system: System) -> psutil.Process:
    """What a sandbox forks its runs from: its oldest child that has children while programs run."""

    def busy() -> psutil.Process | None:
        children = psutil.Process(system.find("sandbox-1").pid).children()
        return next((child for child in children if child.children()), None)

    return eventually(busy, "a zygote of the first sandbox has a run")


def verifier(system: System) -> psutil.Process:
    return system.find("verifier")


def sandbox(system: System) -> psutil.Process:
    zygote_of(system)
    return system.find("sandbox-1")


@pytest.mark.parametrize("find", [verifier, sandbox, zygote_of])
def test_what_was_being_verified_is_verified_elsewhere_and_nothing_stays_behind(
    system: System, find: Callable[[System], psutil.Process]
) -> None:
    queries = asked(find.__name__)
    with system.connect(run=find.__name__, policy="uniform", average_budget=2) as queue:
        receipts = queue.enqueue_many(queries)
        eventually(lambda: system.ask(VERIFIES) == [(True,)], "something is being verified")
        victim = find(system)
        below = victim.children(recursive=True)
        kill(victim)
        eventually(lambda: not any(child.is_running() for child in below), "all below it is gone")
        answers = list(queue.as_completed(receipts, timeout=120))
        assert {answer.id for answer in answers} == {str(query.id) for query in queries}
        assert all(answer.verified and answer.samples_used == 2 for answer in answers)
        verdicts = system.ask(
            "SELECT number, verdict, count(*) FROM verdicts v JOIN queries q ON q.id = v.query_id "
            "WHERE run_id = %s GROUP BY 1, 2 ORDER BY 1",
            queue.run.id,
        )
        assert verdicts == [(0, "wrong_answer", QUERIES), (1, "passed", QUERIES)]
