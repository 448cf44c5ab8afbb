"""What a verified program costs, against a fresh interpreter and against a multiprocessing child for each."""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from adaqueue.adapters.code_verifier import CodeVerifier, Limits, Report, Request
from adaqueue.adapters.code_wire import MOST_REPORT_BYTES
from adaqueue.adapters.sandbox import frames
from benchmarks import human_eval_way, report

SERVER = """
import signal, sys
from pathlib import Path
from threading import Event
from adaqueue.adapters.code_server import serve
stopping = Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
serve(Path(sys.argv[1]), stopping)
"""
ROUNDS = 15
OURS, FRESH, HUMAN_EVAL = 200, 20, 8
TWO_CORES_RUNS = 3_000
REQUEST = Request(
    (human_eval_way.PROGRAM,),
    {"style": "stdin", "tests": [[human_eval_way.STDIN, human_eval_way.EXPECTED]]},
)


@dataclass
class Measured:
    """One way's figures, one value a round.

    Attributes:
        per_second: runs by the clock.
        cpu_milliseconds: of a run, in all processes that it takes.
    """

    per_second: list[float]
    cpu_milliseconds: list[float]

    def add(self, runs: int, seconds: float, cpu_seconds: float) -> None:
        """Adds a round."""
        self.per_second.append(runs / seconds)
        self.cpu_milliseconds.append(1000 * cpu_seconds / runs)


@contextmanager
def sandboxes(count: int) -> Iterator[Path]:
    """Runs sandbox processes; gives the folder of their sockets."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        paths = [Path(folder) / f"{number}.sock" for number in range(count)]
        processes = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", SERVER, str(path)])) for path in paths
        ]
        try:
            while not all(path.exists() for path in paths):
                if any(process.poll() is not None for process in processes):
                    raise RuntimeError("a sandbox did not start")
                time.sleep(0.05)
            yield Path(folder)
        finally:
            for process in processes:
                process.terminate()


class HumanEvalWay:
    """A process that checks in that way, with nothing loaded that makes its forks dearer."""

    def __init__(self) -> None:
        self._pipe, inside = socket.socketpair()
        with inside:
            script = [sys.executable, "-m", human_eval_way.__name__]
            self._process = subprocess.Popen(script, stdin=inside.fileno(), stdout=inside.fileno())
        self._file = self._pipe.makefile("rw")

    def run(self, count: int) -> tuple[float, float]:
        """Checks the program so often; returns seconds and CPU seconds."""
        self._file.write(f"{count}\n")
        self._file.flush()
        seconds, cpu_seconds = map(float, self._file.readline().split())
        return seconds, cpu_seconds

    def close(self) -> None:
        """Ends the process."""
        self._file.close()
        self._pipe.close()
        self._process.wait()


class Sandbox:
    """A connection to a sandbox process."""

    def __init__(self, folder: Path) -> None:
        [path] = folder.glob("*.sock")
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(path))
        self.milliseconds: list[float] = []
        self.tier = self._ask().tier

    def run(self, count: int) -> float:
        """Has the program verified so often; returns CPU seconds, this process's included."""
        before = _cpu_seconds_of_all()
        for _ in range(count):
            started = time.perf_counter()
            self._ask()
            self.milliseconds.append(1000 * (time.perf_counter() - started))
        return _cpu_seconds_of_all() - before

    def _ask(self) -> Report:
        frames.send(self._connection, REQUEST.to_bytes())
        frames.receive(self._connection, MOST_REPORT_BYTES)  # its turn has come
        said = Report.from_bytes(frames.receive(self._connection, MOST_REPORT_BYTES))
        if said.verdict != "passed":
            raise RuntimeError(f"{said.verdict}: {said.route}")
        return said


def _cpu_seconds_of_all() -> float:
    everyone = [psutil.Process(), *psutil.Process().children(recursive=True)]
    own = time.process_time()
    return own + sum(sum(one.cpu_times()[:4]) for one in everyone[1:])


def fresh(count: int) -> float:
    """Runs the program in fresh interpreters; returns their CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(count):
        command = [sys.executable, "-I", "-S", "-c", human_eval_way.PROGRAM]
        said = subprocess.run(command, input=human_eval_way.STDIN, capture_output=True, text=True, check=True)
        if said.stdout.split() != human_eval_way.EXPECTED.split():
            raise RuntimeError(said.stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def one_core(core: int, rounds: int) -> dict[str, Any]:
    """Returns the figures of one pinned core; the three ways take turns."""
    os.sched_setaffinity(0, {core})
    ours, fresh_ones, theirs = (Measured([], []) for _ in range(3))
    theirs_runner = HumanEvalWay()
    with sandboxes(1) as folder, closing(theirs_runner):
        sandbox = Sandbox(folder)
        sandbox.run(OURS)
        sandbox.milliseconds.clear()
        for _ in range(rounds):
            _timed(ours, OURS, sandbox.run)
            _timed(fresh_ones, FRESH, fresh)
            theirs.add(HUMAN_EVAL, *theirs_runner.run(HUMAN_EVAL))
    return {"tier": sandbox.tier, **_figures(ours, fresh_ones, theirs), **_percentiles(sandbox.milliseconds)}


def _timed(measured: Measured, count: int, run: Callable[[int], float]) -> None:
    started = time.perf_counter()
    cpu_seconds = run(count)
    measured.add(count, time.perf_counter() - started, cpu_seconds)


def _figures(ours: Measured, fresh_ones: Measured, theirs: Measured) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "runs_per_second": statistics.median(ours.per_second),
        "fresh_interpreter_per_second": statistics.median(fresh_ones.per_second),
        "human_eval_way_per_second": statistics.median(theirs.per_second),
    }
    for name, other in (("fresh_interpreter", fresh_ones), ("human_eval_way", theirs)):
        rounds = [own / its for own, its in zip(ours.per_second, other.per_second, strict=True)]
        figures[f"ratio_to_{name}"] = statistics.median(rounds)
        figures[f"ratio_to_{name}_spread"] = [min(rounds), max(rounds)]
        figures[f"processor_time_ratio_to_{name}"] = statistics.median(
            other.cpu_milliseconds
        ) / statistics.median(ours.cpu_milliseconds)
    figures["processor_milliseconds"] = statistics.median(ours.cpu_milliseconds)
    return figures


def _percentiles(milliseconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(milliseconds, n=100)
    return {"p50_milliseconds": cuts[49], "p99_milliseconds": cuts[98]}


def two_cores(cores: set[int]) -> dict[str, float]:
    """Returns how many programs a minute two sandbox processes verify on two cores."""
    os.sched_setaffinity(0, cores)
    with sandboxes(2) as folder:
        verifier = CodeVerifier(folder, Limits())
        verifier.examine([REQUEST] * 50)
        started = time.perf_counter()
        verifier.examine([REQUEST] * TWO_CORES_RUNS)
        return {"two_cores_per_minute": 60 * TWO_CORES_RUNS / (time.perf_counter() - started)}


def main() -> None:
    """Measures as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of taking turns (default {ROUNDS})")
    parser.add_argument("--json", help="write figures to this file; - is stdout")
    chosen = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    figures = one_core(cores[-1], chosen.rounds) | two_cores(set(cores[-2:]))
    os.sched_setaffinity(0, cores)
    figures |= {"load_before": load, "load_after": os.getloadavg()[0]}
    if chosen.json != "-":
        report.show("programs verified", figures)
    report.write(chosen.json, {"repeats": chosen.rounds, **figures})


if __name__ == "__main__":
    main()
