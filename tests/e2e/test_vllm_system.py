"""Proves that a system on vLLM loses no query when the engine dies or hangs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from adaqueue import AdaQueue, Answer, Query
from adaqueue.demo.queries import demo_queries
from tests.e2e.live import PATIENCE_SECONDS, System, eventually, processes_of

pytestmark = pytest.mark.timeout(600)
BUDGET = 8


@pytest.fixture(scope="module")
def system(place: Path) -> Iterator[System]:
    """A system with a server for samples and another for features."""
    system = System(place / "vllm", engine="vllm", features="vllm", engine_stall_seconds=8)
    system.start()
    system.wait_until_it_says("up in", patience_seconds=4 * PATIENCE_SECONDS)
    yield system
    assert system.stop() == 0
    assert processes_of(system.folder) == []


def ask(queue: AdaQueue, count: int, seed: int) -> list[Query]:
    rows = [row for domain in ("math", "code") for row in demo_queries(count, domain, seed)]
    return [Query.from_row(row) for row in rows]


def core_of(system: System) -> psutil.Process:
    """The process that computes, behind the server that answers."""
    launcher = system.find("engine")

    def found() -> psutil.Process | None:
        names = {child.name(): child for child in launcher.children(recursive=True)}
        return next((child for name, child in names.items() if "EngineCore" in name), None)

    return eventually(found, "the engine's core runs")


def check(system: System, queue: AdaQueue, asked: list[Query], answers: list[Answer]) -> None:
    """Every query has its answer and all its samples, each with a seed of its own."""
    assert sorted(answer.id for answer in answers) == sorted(str(query.id) for query in asked)
    assert {answer.samples_used for answer in answers} == {BUDGET}
    ((samples, seeds),) = system.ask(
        "SELECT count(*), count(DISTINCT (s.query_id, s.seed)) "
        "FROM samples s JOIN queries q ON q.id = s.query_id WHERE q.run_id = %s AND s.tokens_out > 0",
        queue.run.id,
    )
    assert samples == seeds == BUDGET * len(asked)
    assert system.ask("SELECT * FROM dead_letters") == []


def test_queries_of_both_domains_are_answered_with_budgets_of_a_trained_probe(system: System) -> None:
    with system.connect(average_budget=4) as queue:
        asked = ask(queue, 40, seed=1)
        answers = list(queue.as_completed(queue.enqueue_many(asked), timeout=PATIENCE_SECONDS))
        probes = {query.id.split("-")[0]: query.prediction.probe.split("-")[0] for query in queue.drawn()}
    assert len(answers) == len(asked)
    assert sum(answer.verified for answer in answers) > len(asked) // 4
    assert probes == {"math": "math", "code": "code"}


@pytest.mark.parametrize("harm", [signal.SIGKILL, signal.SIGSTOP])
def test_an_engine_that_dies_or_hangs_is_started_afresh_and_no_query_is_lost(
    system: System, harm: signal.Signals
) -> None:
    with system.connect(average_budget=BUDGET, policy="uniform") as queue:
        asked = ask(queue, 200, seed=int(harm))
        receipts = queue.enqueue_many(asked)
        eventually(lambda: system.ended(queue) > 20, "the engine draws")
        core = core_of(system)
        core.send_signal(harm)
        assert system.ended(queue) < len(asked)
        answers = list(queue.as_completed(receipts, timeout=3 * PATIENCE_SECONDS))
        check(system, queue, asked, answers)
    assert core_of(system).pid != core.pid
