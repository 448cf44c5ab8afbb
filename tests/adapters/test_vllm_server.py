"""Proves that a launcher's server comes back from every death and hang, and outlives no launcher."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from adaqueue.demo.queries import model_path
from tests.contracts.vllm import START_SECONDS, Served, launched, served, with_starts

pytestmark = with_starts
STALL_SECONDS = 5.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("server") / "log"
    with served(model_path(), log, stall_seconds=STALL_SECONDS) as server:
        yield server
        at_work = family(server)
    assert not left(at_work, 10)


def left(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still run after so many seconds; a zombie that its new parent has not buried is dead."""
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return alive


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _command(process: psutil.Process) -> str:
    """Its command line; empty if it has ended: a start has short helpers, which come and go."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def api_server(server: Served) -> psutil.Process:
    children = psutil.Process(server.launcher.pid).children()
    return next(child for child in children if "vllm" in _command(child))


def engine_core(server: Served) -> psutil.Process:
    return next(child for child in api_server(server).children() if "EngineCore" in _command(child))


def comes_back(server: Served, before: list[psutil.Process]) -> bool:
    """Whether another server works, and nothing of the one before is left."""
    alive = left(before, 60)
    server.wait()
    return not alive and not set(family(server)) & set(before)


def family(server: Served) -> list[psutil.Process]:
    parent = api_server(server)
    return [parent, *parent.children(recursive=True)]


def is_green(server: Served) -> bool:
    return httpx.get(f"{server.url}/health", trust_env=False, timeout=2).status_code == 200


def test_a_server_whose_process_is_killed_comes_back_and_leaves_no_engine_behind(server: Served) -> None:
    before = family(server)
    before[0].kill()
    assert comes_back(server, before)


def test_a_server_whose_engine_is_killed_comes_back(server: Served) -> None:
    before = family(server)
    engine_core(server).kill()
    assert comes_back(server, before)


def test_an_engine_that_hangs_behind_a_green_health_is_started_afresh(server: Served) -> None:
    before = family(server)
    engine_core(server).suspend()
    started = time.monotonic()
    time.sleep(1)
    assert is_green(server)
    assert not left(before, 8 * STALL_SECONDS)
    assert time.monotonic() - started >= STALL_SECONDS
    assert comes_back(server, before)
    assert "vLLM is sick and is started afresh: nothing moved for" in server.log.read_text()


def test_an_idle_server_is_left_alone(server: Served) -> None:
    before = family(server)
    time.sleep(3 * STALL_SECONDS)
    assert family(server) == before
    assert is_green(server)


def test_whoever_kills_a_launcher_at_its_start_kills_all_that_it_started(tmp_path: Path) -> None:
    with launched(model_path(), tmp_path / "log") as server:
        started = with_engine(server)
        os.kill(server.launcher.pid, signal.SIGKILL)
        assert not left(started, 10)


def test_a_launcher_that_is_stopped_at_its_start_ends_all_that_it_started(tmp_path: Path) -> None:
    with launched(model_path(), tmp_path / "log") as server:
        started = with_engine(server)
        server.launcher.terminate()
        assert server.launcher.wait(30) == 0
        assert not left(started, 5)


def test_whoever_kills_the_launcher_of_a_server_that_hangs_kills_the_server(tmp_path: Path) -> None:
    with launched(model_path(), tmp_path / "log") as server:
        started = with_engine(server)
        for process in started:
            with suppress(psutil.NoSuchProcess):
                if process.name() != "sh":  # it keeps the launcher's will, and does not hang with the server
                    process.suspend()
        os.kill(server.launcher.pid, signal.SIGKILL)
        assert not left(started, 10)


def with_engine(server: Served) -> list[psutil.Process]:
    """The processes of a server that is being started, as soon as its engine is among them."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        children = psutil.Process(server.launcher.pid).children(recursive=True)
        if any("EngineCore" in _command(child) for child in children):
            return children
        time.sleep(0.1)
    raise AssertionError(server.log.read_text()[-6_000:])
