"""HumanEval completions verified anew: agreement with their recorded success counts, and speed."""

from __future__ import annotations

import argparse
import gzip
import json
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Event
from typing import Any

from adaqueue.adapters.code_isolation import isolation
from adaqueue.adapters.code_server import serve
from adaqueue.adapters.code_verifier import CodeVerifier, Limits, Request
from adaqueue.core.query import Query
from adaqueue.core.records import Sample
from benchmarks import report

SPEED_RUNS = 1_000
FRESH_RUNS = 20
USUAL_IMPORTS = """
import bisect, collections, copy, datetime, decimal, fractions, functools, hashlib, heapq, itertools
import json, math, operator, os, random, re, statistics, string, sys, time, typing
"""


@contextmanager
def verifiers(count: int) -> Iterator[Path]:
    """Runs verifier processes; gives the folder of their sockets."""
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.sock" for number in range(count)]
        processes = [context.Process(target=run_verifier, args=(path,)) for path in paths]
        for process in processes:
            process.start()
        try:
            while not all(path.exists() for path in paths):
                time.sleep(0.05)
            yield Path(folder)
        finally:
            for process in processes:
                process.terminate()
                process.join()


def run_verifier(path: Path) -> None:
    """Serves until SIGTERM."""
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    serve(path, stopping)


def verify_row(verifier: CodeVerifier, row: dict[str, Any]) -> Counter[str]:
    """Returns how often each verdict was given to the row's samples."""
    query = Query.from_row(row)
    drawn = [(query, sample) for sample in _samples(query)]
    return Counter(verdict.verdict for verdict in verifier.verify(drawn))


def gold(verifier: CodeVerifier, rows: Sequence[dict[str, Any]], limits: Limits) -> dict[str, str]:
    """Returns verdicts other than `passed` of the rows' own solutions, by id."""
    solved = [row for row in rows if row["reference"].get("solution")]
    requests = [
        Request((row["reference"]["solution"],), row["reference"], row["prompt"], limits) for row in solved
    ]
    reports = verifier.examine(requests)
    found = zip(solved, reports, strict=True)
    return {row["id"]: said.verdict for row, said in found if said.verdict != "passed"}


def measure(folder: Path, rows: Sequence[dict[str, Any]], cpu_seconds: float) -> dict[str, Any]:
    """Returns agreement and speed over rows of recorded completions, and whether their solutions pass."""
    verifier = CodeVerifier(folder, Limits(cpu_seconds=cpu_seconds))
    refused = gold(verifier, rows, Limits())
    recorded = [row for row in rows if row.get("samples")]
    started = time.perf_counter()
    counts = {row["id"]: verify_row(verifier, row) for row in recorded}
    seconds = time.perf_counter() - started
    differences = {
        row["id"]: {"verified": counts[row["id"]]["passed"], "recorded": row["successes"]}
        for row in recorded
        if counts[row["id"]]["passed"] != row["successes"]
    }
    return {
        "solutions": sum(row["reference"].get("solution") is not None for row in rows),
        "solutions_refused": refused,
        "samples": sum(row["n"] for row in recorded),
        "successes": sum(count["passed"] for count in counts.values()),
        "recorded_successes": sum(row["successes"] for row in recorded),
        "queries": len(recorded),
        "differences": differences,
        "verdicts": dict(sum(counts.values(), Counter())),
        "tier": isolation().tier,
        "seconds": seconds,
        "distinct_per_second": sum(map(_distinct, recorded)) / seconds,
    }


def speed(folder: Path) -> dict[str, float]:
    """Returns how many short programs a second are verified, and how many interpreters could be started."""
    tests = [{"args": [1, 2], "expected": 3}, {"args": [10, 20], "expected": 30}]
    reference = {"style": "function", "entry": "add", "tests": tests}
    request = Request(("def add(a, b): return a + b",), reference)
    verifier = CodeVerifier(folder, Limits())
    verifier.examine([request] * 10)
    started = time.perf_counter()
    verifier.examine([request] * SPEED_RUNS)
    verified = time.perf_counter()
    for _ in range(FRESH_RUNS):
        subprocess.run([sys.executable, "-I", "-S", "-c", USUAL_IMPORTS], check=True)
    return {
        "function_style_per_second": SPEED_RUNS / (verified - started),
        "fresh_interpreters_per_second": FRESH_RUNS / (time.perf_counter() - verified),
    }


def _distinct(row: dict[str, Any]) -> int:
    return len({sample["text"] for sample in row["samples"]})


def _samples(query: Query) -> list[Sample]:
    query_id = uuid.uuid4()
    texts = [sample.text for sample in query.recording.samples] if query.recording else []
    return [
        Sample(query_id, number, None, text, None, None, "recorded", 0.0) for number, text in enumerate(texts)
    ]


def main() -> None:
    """Measures as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="rows of recorded completions, .jsonl.gz")
    parser.add_argument("--verifiers", type=int, default=2, help="verifier processes (default 2)")
    parser.add_argument(
        "--cpu-seconds", type=float, default=3.0, help="limit of a completion (default 3); solutions have 10"
    )
    parser.add_argument("--json", help="write figures to this file; - is stdout")
    chosen = parser.parse_args()
    with gzip.open(chosen.file, "rt") as file:
        rows = [json.loads(line) for line in file]
    with verifiers(chosen.verifiers) as folder:
        figures = speed(folder) | measure(folder, rows, chosen.cpu_seconds)
    report.show(chosen.file.name, figures)
    report.write(chosen.json, {"repeats": 1, **figures})


if __name__ == "__main__":
    main()
