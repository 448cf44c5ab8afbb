"""Verification without a system that is up: sandboxes of a command's own, and the verifiers that use them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from adaqueue.adapters.code_verifier import CodeVerifier
from adaqueue.adapters.code_wire import SOCKET_SUFFIX
from adaqueue.adapters.math_check import MathChecker
from adaqueue.adapters.math_pool import MathPool
from adaqueue.adapters.math_rows import MathRows
from adaqueue.adapters.processes import ProcessSpec, exit_words, log_tail, spawn
from adaqueue.adapters.socket_folder import SHORT
from adaqueue.errors import VerifierError
from adaqueue.settings import PREFIX, Settings
from adaqueue.wiring.machine import environment
from adaqueue.wiring.verifiers import limits, math_judge

START_SECONDS = 120.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 1.0


@contextmanager
def own_sandboxes(settings: Settings) -> Iterator[CodeVerifier]:
    """Runs sandboxes until the block is left, or this process dies; yields the verifier that asks them.

    To be entered in the main thread, before others are started.

    Args:
        settings: how many sandboxes, their isolation, the limits of a run, the comparison.

    Raises:
        VerifierError: a sandbox does not start; carries the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="adaqueue-", dir=SHORT) as name:
        folder = Path(name)
        children: list[subprocess.Popen[bytes]] = []
        try:
            children += (_start(settings, folder, number) for number in range(settings.sandboxes))
            _wait_ready(folder, children)
            yield CodeVerifier(
                folder, limits(settings), settings.test_comparison, patience_seconds=PATIENCE_SECONDS
            )
        finally:
            _stop(children)


@contextmanager
def own_math(settings: Settings, workers: int, *, paper_exact: bool) -> Iterator[MathRows]:
    """Runs processes that compare answers until the block is left; yields what verifies rows by them.

    Args:
        settings: name the judge, if there is one.
        workers: how many processes.
        paper_exact: equal text alone is a yes, and a judge decides everything else.
    """
    pool = MathPool(workers)
    checker = MathChecker(pool, paper_exact=paper_exact or settings.math_paper_exact)
    try:
        pool.warm()
        yield MathRows(checker, math_judge(settings))
    finally:
        checker.close()


def _start(settings: Settings, folder: Path, number: int) -> subprocess.Popen[bytes]:
    chosen = settings.model_copy(update={"sandboxes_folder": folder})
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    spec = ProcessSpec(
        name=f"sandbox-{number}",
        argv=(sys.executable, "-m", "workers.sandbox"),
        env={**inherited, **environment(chosen, folder)},
    )
    return spawn(spec, _log(folder, number), {})


def _wait_ready(folder: Path, children: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while len(list(folder.glob(f"*{SOCKET_SUFFIX}"))) < len(children):
        for number, child in enumerate(children):
            if (status := child.poll()) is not None:
                tail = log_tail(_log(folder, number))
                raise VerifierError(f"a sandbox ended before it served ({exit_words(status)}):\n{tail}")
        if time.monotonic() > deadline:
            raise VerifierError(f"no {len(children)} sandboxes after {START_SECONDS:g} s")
        time.sleep(POLL_SECONDS)


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _log(folder: Path, number: int) -> Path:
    return folder / f"sandbox-{number}.log"
