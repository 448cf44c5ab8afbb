"""Warm processes that compare answers symbolically, each killed when a pair takes it too long."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaqueue.adapters.math_second import needs_second_reader
from adaqueue.adapters.sandbox import frames
from adaqueue.errors import VerifierError

SECONDS = 2.0
"""By the clock, after which a worker is killed."""
MEMORY_MEBIBYTES = 1_024
START_SECONDS = 60.0
MAX_ANSWER_BYTES = 4_096
_PATIENCE = 0.75
"""Share of a comparison's time for which it waits for the library."""

_PROGRAM = """
import json, sys, types
parent, memory_bytes, package, paths = json.loads(sys.argv[1])
sys.path[:] = paths
for name, folder in (("adaqueue", package), ("adaqueue.adapters", package + "/adapters")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
sys.modules["gmpy2"] = None
from adaqueue.adapters import math_worker
math_worker.main(parent, memory_bytes)
"""
_ENVIRONMENT = {"MPMATH_NOGMPY": "1", "SYMPY_GROUND_TYPES": "python", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class Comparison:
    """What a worker said of two answers.

    Attributes:
        equal: None where it could not tell, or did not survive the pair.
        guarded: one of the two is too large to be worked out.
        killed: it was too slow or took too much memory.
    """

    equal: bool | None
    guarded: bool = False
    killed: bool = False


class MathPool:
    """Compares answers in processes of its own; any number of threads may share it.

    The processes start at once and in the background; they die with this process, and one that was killed is
    replaced before anybody asks for it. No signal handler or timer of this process is touched.

    Args:
        workers: processes; as many as there are cores by default.
        seconds: by the clock, that one comparison may take.
        memory_mebibytes: address space of one process.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        seconds: float = SECONDS,
        memory_mebibytes: int = MEMORY_MEBIBYTES,
    ) -> None:
        self.workers = workers or len(os.sched_getaffinity(0))
        self._seconds = seconds
        self._memory_bytes = memory_mebibytes << 20
        self._ready: queue.LifoQueue[_Worker | VerifierError] = queue.LifoQueue()
        self._wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._warming = threading.Lock()
        for _ in range(self.workers):
            self._wanted.put(True)
        # the kernel ends a process with the thread that started it: one thread starts them all, and stays
        self._starter = threading.Thread(target=self._start_wanted, name="math-pool", daemon=True)
        self._starter.start()

    def compare(self, reference: str, answer: str) -> Comparison:
        """Returns whether two answers, in one spelling, are equal.

        It waits for a free worker as long as it takes; only then the time counts. A worker that has not
        loaded its library yet, a second after its start, leaves undecided what needs it; see `warm`.

        Raises:
            VerifierError: no worker can be started, or the pool is closed; says nothing about the answer.
        """
        worker = self._take()
        try:
            said = worker.ask(reference, answer, self._seconds)
        except OSError:  # too slow, dead, or the pool was closed
            self._replace(worker)
            return Comparison(None, killed=True)
        except BaseException:
            self._replace(worker)
            raise
        self._ready.put(worker)
        return Comparison(said["equal"], guarded=said["guarded"])

    def warm(self) -> None:
        """Waits until every process has loaded all that it will ever need; not needed for most pairs.

        Raises:
            VerifierError: no worker can be started, or the pool is closed.
        """
        with self._warming:
            workers = [self._take() for _ in range(self.workers)]
            for worker in workers:
                try:
                    worker.ask("1", r"\sum_{n=1}^{1} n", START_SECONDS)
                except OSError:
                    self._replace(worker)
                else:
                    self._ready.put(worker)

    def close(self) -> None:
        """Ends all processes; a comparison under way ends as if its worker had been killed."""
        self._closed.set()
        self._wanted.put(False)
        self._starter.join()
        with self._lock:
            workers, self._all = self._all, set()
        for worker in workers:
            worker.kill()
        self._ready.put(VerifierError("closed"))

    def _take(self) -> _Worker:
        while True:
            worker = self._ready.get()
            if self._closed.is_set():
                self._ready.put(worker)  # whoever else waits is to learn it too
                raise VerifierError("the pool of math workers is closed")
            if isinstance(worker, VerifierError):
                self._wanted.put(True)
                raise worker
            if worker.lives():
                return worker
            self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        worker.kill()
        with self._lock:
            self._all.discard(worker)
        self._wanted.put(True)

    def _start_wanted(self) -> None:
        while self._wanted.get():
            try:
                worker = _Worker(self._memory_bytes)
            except OSError as error:
                self._ready.put(VerifierError(f"a math worker cannot be started: {error}"))
                continue
            with self._lock:
                self._all.add(worker)
            threading.Thread(target=self._await, args=(worker,), name="math-worker", daemon=True).start()

    def _await(self, worker: _Worker) -> None:
        try:
            worker.wait_until_ready(START_SECONDS, self._closed)
        except VerifierError as error:
            worker.kill()
            with self._lock:
                self._all.discard(worker)
            self._ready.put(error)
        else:
            self._ready.put(worker)


class _Worker:
    """One process and the socket to it; used by one thread at a time."""

    def __init__(self, memory_bytes: int) -> None:
        self._socket, inside = socket.socketpair()
        package = str(Path(__file__).parents[1])
        arguments = json.dumps([os.getpid(), memory_bytes, package, sys.path])
        with inside:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-c", _PROGRAM, arguments],
                    stdin=inside.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_ENVIRONMENT,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError:
                self._socket.close()
                raise

    def wait_until_ready(self, seconds: float, cancelled: threading.Event) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not cancelled.is_set():
            try:
                self._socket.settimeout(0.2)
                frames.receive(self._socket, MAX_ANSWER_BYTES)
            except TimeoutError:
                continue
            except OSError as error:  # it ended by itself, or the pool was closed
                raise VerifierError(f"a math worker ended with status {self._process.wait()}") from error
            return
        raise VerifierError(f"a math worker was not ready within {seconds:g} s")

    def lives(self) -> bool:
        return self._process.poll() is None

    def ask(self, reference: str, answer: str, seconds: float) -> dict[str, Any]:
        needs_library = needs_second_reader(reference) or needs_second_reader(answer)
        request = {
            "reference": reference,
            "answer": answer,
            "needs_library": needs_library,
            "patience": seconds * _PATIENCE,
        }
        deadline = time.monotonic() + seconds
        self._socket.settimeout(seconds)
        frames.send(self._socket, json.dumps(request).encode())
        said: dict[str, Any] = json.loads(frames.receive(self._socket, MAX_ANSWER_BYTES, deadline))
        return said

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self._socket.close()
