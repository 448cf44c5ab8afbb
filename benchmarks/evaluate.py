"""What `adaqueue evaluate` takes for 10,000 queries of 128 recorded samples, on one core: seconds and memory.

`python -m benchmarks.evaluate [--queries N] [--samples M] [--repeats R] [--json FILE]`

The floor beside it: the survival of every query and one order of buying, without probes, splits, intervals.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from adaqueue.core.curves import curve, recorded_survival, round_robin
from benchmarks import report

BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128)
WORDS = 5_000
WORDS_A_PROMPT = 40
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


def main() -> None:
    """Measures, prints a table, and writes JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="file to write the figures to; - is stdout")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outcomes.jsonl"
        counts = write_outcomes(file, given.queries, given.samples)
        runs = [evaluated(file, given.samples) for _ in range(given.repeats)]
    found = {
        "queries": given.queries,
        "samples": given.samples,
        "budgets": [budget for budget in BUDGETS if budget <= given.samples],
        "repeats": given.repeats,
        "seconds": statistics.median(run["seconds"] for run in runs),
        "seconds_spread": max(run["seconds"] for run in runs) - min(run["seconds"] for run in runs),
        "processor_seconds": statistics.median(run["processor_seconds"] for run in runs),
        "peak_mebibytes": max(run["peak_mebibytes"] for run in runs),
        "floor_seconds": floor_seconds(counts, given.samples),
    }
    report.show("adaqueue evaluate, one core", found)
    report.write(given.json, found)


def write_outcomes(file: Path, queries: int, samples: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Writes queries whose words tell how hard they are, in part; returns their successes."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=WORDS)
    often = 1 / np.arange(1, WORDS + 1)
    words = rng.choice(WORDS, size=(queries, WORDS_A_PROMPT), p=often / often.sum())
    hint = weight[words].sum(axis=1) / np.sqrt(WORDS_A_PROMPT)
    chance = 1 / (1 + np.exp(-hint - rng.normal(scale=1.5, size=queries)))
    successes = rng.binomial(samples, chance)
    rows = (
        {
            "id": str(number),
            "domain": "math",
            "prompt": " ".join(f"w{word:x}" for word in own),
            "n": samples,
            "successes": int(hits),
        }
        for number, (own, hits) in enumerate(zip(words.tolist(), successes.tolist(), strict=True))
    )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return np.asarray(successes, dtype=np.int64)


def evaluated(file: Path, samples: int) -> dict[str, float]:
    """Returns what one run of the command takes, on one core, with every policy, analysis and baseline."""
    budgets = ",".join(str(budget) for budget in BUDGETS if budget <= samples)
    arguments = [sys.executable, "-m", "adaqueue", "evaluate", str(file), "--budgets", budgets]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        arguments,
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | ONE_THREAD,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": time.perf_counter() - started,
        "processor_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mebibytes": after.ru_maxrss / 1024,
    }


def floor_seconds(successes: np.ndarray[Any, np.dtype[np.int64]], samples: int) -> float:
    """Returns what one policy's exact curve takes, of queries that are in memory."""
    started = time.perf_counter()
    alive = recorded_survival(successes, samples, samples)
    curve(round_robin(len(successes), samples), alive, stops=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
