"""HumanEval completions verified anew: agreement with their recorded success counts, and speed."""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaqueue.adapters.code_gate import examine_solution
from adaqueue.adapters.code_isolation import isolation
from adaqueue.adapters.code_verifier import CodeVerifier, Limits, Request
from adaqueue.core.query import Query
from adaqueue.core.records import Sample
from adaqueue.settings import load_settings
from adaqueue.wiring.verification import own_sandboxes
from benchmarks import report

SPEED_RUNS = 1_000
FRESH_RUNS = 20
USUAL_IMPORTS = """
import bisect, collections, copy, datetime, decimal, fractions, functools, hashlib, heapq, itertools
import json, math, operator, os, random, re, statistics, string, sys, time, typing
"""


def verify_row(verifier: CodeVerifier, row: dict[str, Any]) -> Counter[str]:
    """Returns how often each verdict was given to the row's samples."""
    query = Query.from_row(row)
    drawn = [(query, sample) for sample in _samples(query)]
    return Counter(verdict.verdict for verdict in verifier.verify(drawn))


def gate(verifier: CodeVerifier, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Returns verdicts other than `passed` of the rows' own solutions, by id."""
    verdicts = {}
    for row in rows:
        found = examine_solution(verifier, Query.from_row(row))
        if found is not None and found.verdict != "passed":
            verdicts[row["id"]] = found.verdict
    return verdicts


def measure(solver: CodeVerifier, verifier: CodeVerifier, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns agreement and speed over rows of recorded completions, and whether their solutions pass.

    Args:
        solver: verifies the rows' own solutions.
        verifier: verifies the completions.
        rows: of recorded completions.
    """
    refused = gate(solver, rows)
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


def speed(verifier: CodeVerifier) -> dict[str, float]:
    """Returns how many short programs a second are verified, and how many interpreters could be started."""
    tests = [{"args": [1, 2], "expected": 3}, {"args": [10, 20], "expected": 30}]
    reference = {"style": "function", "entry": "add", "tests": tests}
    request = Request(("def add(a, b): return a + b",), reference)
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
    parser.add_argument("--sandboxes", type=int, default=2, help="processes that run programs (default 2)")
    parser.add_argument(
        "--cpu-seconds", type=float, default=3.0, help="limit of a completion (default 3); solutions have 10"
    )
    parser.add_argument("--json", help="write figures to this file; - is stdout")
    chosen = parser.parse_args()
    with gzip.open(chosen.file, "rt") as file:
        rows = [json.loads(line) for line in file]
    with own_sandboxes(load_settings(sandboxes=chosen.sandboxes)) as solver:
        verifier = CodeVerifier(solver.folder, Limits(cpu_seconds=chosen.cpu_seconds))
        figures = speed(solver) | measure(solver, verifier, rows)
    report.show(chosen.file.name, figures)
    report.write(chosen.json, {"repeats": 1, **figures})


if __name__ == "__main__":
    main()
