"""Proves that comparisons cannot hang, kill, or outlive their caller, whatever thread calls."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psutil
import pytest
import redis

from adaqueue.adapters import math_pool
from adaqueue.adapters.celery_app import make_app
from adaqueue.adapters.math_pool import Comparison, MathPool
from adaqueue.adapters.servers import ServerUrls
from adaqueue.errors import VerifierError

HANG = r"\prod_{k=1}^{100000000} k"
"""Refused before it is asked, as a rule; here it meets a worker."""
EQUAL = Comparison(True)


@pytest.fixture
def pool() -> Iterator[MathPool]:
    pool = MathPool(1)
    yield pool
    pool.close()


@pytest.fixture
def impatient() -> Iterator[MathPool]:
    pool = MathPool(1, seconds=0.5)
    yield pool
    pool.close()


def children() -> set[int]:
    """The math workers of this process: it has other children, such as the tests' servers."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and "math_worker" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


def waited(condition: Any, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not condition():
        time.sleep(0.05)
    return bool(condition())


def test_a_pair_that_takes_too_long_is_undecided_and_the_next_one_is_compared(impatient: MathPool) -> None:
    impatient.warm()
    assert impatient.compare("1", HANG) == Comparison(None, killed=True)
    assert impatient.compare("x", "x+0") == EQUAL


def test_a_worker_that_is_still_loading_says_so_in_time_and_decides_later(pool: MathPool) -> None:
    pair = ("55", r"\sum_{n=1}^{10} n")
    started = time.monotonic()
    assert pool.compare(*pair).equal in {True, None}
    assert time.monotonic() - started < 10
    pool.warm()
    assert pool.compare(*pair) == EQUAL


def test_a_hanging_pair_ends_soon_after_its_two_seconds(pool: MathPool) -> None:
    pool.warm()
    started = time.monotonic()
    assert pool.compare("1", HANG).killed
    assert time.monotonic() - started < 5.0


def test_a_killed_process_is_replaced_before_anybody_asks(impatient: MathPool) -> None:
    impatient.warm()
    before = children()
    impatient.compare("1", HANG)
    assert waited(lambda: len(children()) == len(before) and not children() & before)


def test_a_process_that_somebody_else_ended_is_replaced_and_costs_no_pair(pool: MathPool) -> None:
    assert pool.compare("x", "x+0") == EQUAL
    for victim in children():
        os.kill(victim, signal.SIGKILL)
    time.sleep(0.2)
    assert pool.compare("x", "x+0") == EQUAL


def test_memory_is_bounded_and_a_pair_that_wants_more_is_undecided() -> None:
    pool = MathPool(1, memory_mebibytes=512)
    try:
        assert pool.compare("x", "x+0") == EQUAL
        (worker,) = map(psutil.Process, children())
        assert worker.rlimit(psutil.RLIMIT_AS) == (512 << 20, 512 << 20)
    finally:
        pool.close()


def test_processes_that_cannot_start_are_the_verifiers_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math_pool, "_PROGRAM", "raise SystemExit(3)")
    pool = MathPool(1)
    try:
        for _ in range(2):
            with pytest.raises(VerifierError, match="status 3"):
                pool.compare("x", "x+0")
        monkeypatch.undo()
        assert waited(lambda: _works(pool))
    finally:
        pool.close()


def _works(pool: MathPool) -> bool:
    try:
        return pool.compare("x", "x+0") == EQUAL
    except VerifierError:
        return False


def test_a_missing_interpreter_is_the_verifiers_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    pool = MathPool(1)
    try:
        with pytest.raises(VerifierError, match="cannot be started"):
            pool.compare("x", "x+0")
    finally:
        pool.close()


def test_a_closed_pool_says_so_and_leaves_no_process() -> None:
    before = children()
    pool = MathPool(2)
    pool.compare("x", "x+0")
    pool.close()
    assert waited(lambda: children() <= before)
    for _ in range(2):
        with pytest.raises(VerifierError, match="closed"):
            pool.compare("x", "x+0")


def test_the_callers_signals_and_timers_stay_as_they_are(impatient: MathPool) -> None:
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        impatient.warm()
        assert impatient.compare("1", HANG).killed
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
        assert {number: signal.getsignal(number) for number in signal.valid_signals()} == handlers
        assert not rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_threads_share_it_while_one_pair_hangs() -> None:
    pool = MathPool(2, seconds=1.0)
    try:
        pool.warm()
        with ThreadPoolExecutor(6) as threads:
            hanging = threads.submit(pool.compare, "1", HANG)
            said = list(threads.map(lambda n: pool.compare(f"{n}x", f"x*{n}"), range(2, 60)))
        assert said == [EQUAL] * 58
        assert hanging.result() == Comparison(None, killed=True)
    finally:
        pool.close()


def test_a_pool_outlives_the_thread_that_made_it() -> None:
    made: list[MathPool] = []
    thread = threading.Thread(target=lambda: made.append(MathPool(1)))
    thread.start()
    thread.join()
    (pool,) = made
    try:
        before = children()
        assert pool.compare("x", "x+0") == EQUAL
        time.sleep(0.3)
        assert pool.compare("x", "x+0") == EQUAL
        assert before <= children()
    finally:
        pool.close()


OWNER = """
import os, sys, threading
from adaqueue.adapters.math_pool import MathPool
pool = MathPool(2)
pool.warm()
threading.Thread(target=pool.compare, args=("1", sys.argv[1]), daemon=True).start()
print(*[worker._process.pid for worker in pool._all], flush=True)
sys.stdin.read()
"""


def test_processes_die_with_their_owner_even_while_they_work() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, HANG], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        workers = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(workers) == 2
        owner.kill()
    assert waited(lambda: not any(psutil.pid_exists(pid) for pid in workers))


WORKER = """
import json, os, signal, sys, threading
from adaqueue.adapters.celery_app import make_app, serve
from adaqueue.adapters.math_check import MathChecker
from adaqueue.adapters.math_pool import MathPool

pool = MathPool(2)
pool.warm()
checker = MathChecker(pool)

def work(pairs, hang):
    said = {
        "off_main": threading.current_thread() is not threading.main_thread(),
        "equal": [checker.check(*pair).equal for pair in pairs],
        "killed": pool.compare("1", hang).killed,
    }
    os.write(1, json.dumps(said).encode() + b"\\n")

app = make_app(sys.argv[1])
app.task(name="features", ignore_result=True)(work)
serve(app, "math", ["features"], lambda: None)
"""


def test_it_works_in_the_threads_of_a_real_celery_worker(
    servers: ServerUrls, redis_client: redis.Redis
) -> None:
    pairs = [["x^2-1", r"\boxed{(x-1)(x+1)}"], ["x", r"\boxed{y}"]]
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, servers.broker_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    app = make_app(servers.broker_url)
    try:
        app.send_task("features", args=[pairs, HANG], queue="features")
        assert worker.stdout is not None
        lines = iter(worker.stdout.readline, "")
        said = next(json.loads(line) for line in lines if line.startswith('{"off_main"'))
        assert said == {"off_main": True, "equal": [True, False], "killed": True}
    finally:
        app.close()
        worker.kill()
        worker.wait()
        assert worker.stdout is not None
        worker.stdout.close()
