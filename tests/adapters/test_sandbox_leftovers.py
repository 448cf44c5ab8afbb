"""Runs leave nothing behind, and what is killed in the middle of one takes everything below with it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from adaqueue.adapters.code_verifier import CodeVerifier, Limits, Report, Request
from tests.adapters.test_code_verifier import ADD, CHECK, FUNCTION, READ, STDIN, verifier_process

LIMITS = Limits(cpu_seconds=1, output_bytes=1 << 16)
ENDINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "passed": (READ + "print(a + b)", STDIN),
    "killed by its filter": ("import os; os.fork()", STDIN),
    "out of memory": ("x = bytearray(8 << 30)", STDIN),
    "too much output": ("print('x' * 10**6)", STDIN),
    "with threads": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        STDIN,
    ),
    "exit in a call": ("def add(a, b): raise SystemExit", FUNCTION),
    "checked": (ADD, CHECK),
}
SLOW = Request(("import time; time.sleep(2)\n" + READ + "print(a + b)",), STDIN, limits=Limits(cpu_seconds=3))


@pytest.fixture
def verifier(tmp_path: Path) -> CodeVerifier:
    return CodeVerifier(tmp_path, LIMITS, patience_seconds=5)


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def held(pid: int) -> dict[str, object]:
    """Returns what a process and those below it hold: processes, descriptors, mounts, namespaces."""
    everyone = family(pid)
    folders = [Path(f"/proc/{one.pid}") for one in everyone]
    return {
        "descriptors": sorted(one.num_fds() for one in everyone),
        "mounts": sorted(len((folder / "mountinfo").read_text().splitlines()) for folder in folders),
        "namespaces": sorted(
            Counter(os.readlink(ns) for folder in folders for ns in _namespaces(folder)).values()
        ),
    }


def _namespaces(process: Path) -> Iterator[Path]:
    return (process / "ns" / name for name in ("mnt", "pid", "net", "ipc", "uts", "user"))


@pytest.mark.skipif(os.geteuid() != 0, reason="what a zygote holds is closed to its own user")
def test_two_thousand_runs_leave_nothing_behind(tmp_path: Path, verifier: CodeVerifier) -> None:
    requests = [Request((program,), tests, limits=LIMITS) for program, tests in ENDINGS.values()]
    with verifier_process(tmp_path / "a.sock") as process:
        verifier.examine(requests * 4)
        before, files = held(process.pid), sorted(tmp_path.iterdir())
        for _ in range(4):
            verifier.examine(requests * 72)
        deadline = time.monotonic() + 10
        while held(process.pid) != before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert held(process.pid) == before
        assert sorted(tmp_path.iterdir()) == files


def in_the_middle(verifier: CodeVerifier, pid: int) -> tuple[Thread, list[Report]]:
    """Returns a thread that waits for a slow program, once that runs, and where its report will be."""
    reports: list[Report] = []
    quiet = len(family(pid))
    asking = Thread(target=lambda: reports.extend(verifier.examine([SLOW])))
    asking.start()
    while len(family(pid)) == quiet:
        time.sleep(0.01)
    time.sleep(0.2)
    return asking, reports


def test_when_a_sandbox_is_killed_all_below_it_dies_and_another_takes_over(
    tmp_path: Path, verifier: CodeVerifier
) -> None:
    with verifier_process(tmp_path / "a.sock") as first:
        asking, reports = in_the_middle(verifier, first.pid)
        below = family(first.pid)[1:]
        with verifier_process(tmp_path / "b.sock"):
            first.kill()
            _, alive = psutil.wait_procs(below, timeout=10)
            assert not alive
            asking.join()
    assert [report.verdict for report in reports] == ["passed"]


def test_when_a_zygote_is_killed_its_runs_die_and_another_takes_over(
    tmp_path: Path, verifier: CodeVerifier
) -> None:
    with verifier_process(tmp_path / "a.sock") as process:
        asking, reports = in_the_middle(verifier, process.pid)
        zygotes = psutil.Process(process.pid).children()
        below = [one for zygote in zygotes for one in zygote.children(recursive=True)]
        for zygote in zygotes:
            zygote.kill()
        _, alive = psutil.wait_procs([*zygotes, *below], timeout=10)
        assert not alive
        asking.join()
    assert [report.verdict for report in reports] == ["passed"]
