"""Processor seconds that a window's allocation takes, beside buying from a heap and beside sorting all units.

`python -m benchmarks.allocate [--repeats R] [--limit-seconds S] [--json FILE]`
"""

from __future__ import annotations

import argparse
import heapq
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

from adaqueue.core.allocate import allocate_beta, allocate_success
from adaqueue.core.marginal import FloatArray, IntArray, from_success
from benchmarks import report

MILLION = 1_000_000
AVERAGE_BUDGET = 8
B_MAX = 128
GROWTH_SIZES = (10_000, 10 * MILLION)
CONTESTED_SIZES = tuple(digit * 10**power for power in (4, 5, 6) for digit in (1, 2, 5))
Greedy = Callable[[FloatArray, int], IntArray]


def main() -> None:
    """Measures, prints a table, and writes JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="file to write the figures to; - is stdout")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit-seconds", type=float, default=60.0, help="for a run of heap or sort")
    parser.add_argument(
        "--peak-only", action="store_true", help="print the peak of one run in MiB; used inside"
    )
    given = parser.parse_args()
    if given.peak_only:
        print(_peak_of_this_process())  # noqa: T201 - read by the process that started this one
        return
    found = _ours(given.repeats)
    found |= _contest("heap", by_heap, given.limit_seconds, given.repeats)
    found |= _contest("sort", by_sort, given.limit_seconds, given.repeats)
    found |= {"b_max": B_MAX, "average_budget": AVERAGE_BUDGET, "repeats": given.repeats}
    report.show("allocation, one thread", found)
    report.write(given.json, found)


def chances(queries: int) -> FloatArray:
    """Success probabilities like the paper's math queries: Beta(.41, .44), 5% hopeless."""
    rng = np.random.default_rng(0)
    return np.where(rng.random(queries) < 0.05, 0.0, rng.beta(0.41, 0.44, queries))


def beliefs(queries: int) -> tuple[FloatArray, FloatArray]:
    """Beta parameters of queries of all difficulties, believed more or less firmly."""
    rng = np.random.default_rng(1)
    mean, weight = rng.beta(0.41, 0.44, queries), rng.gamma(2.0, 2.0, queries) + 0.1
    return np.maximum(mean, 1e-6) * weight, np.maximum(1.0 - mean, 1e-6) * weight


def by_heap(success: FloatArray, b_max: int) -> IntArray:
    """Buys unit after unit from a heap, as the greedy is told in textbooks; ties by lower j, then index."""
    failure = (1.0 - success).tolist()
    heap = [(-chance, 1, query) for query, chance in enumerate(success.tolist())]
    heapq.heapify(heap)
    units = [0] * len(success)
    for _ in range(AVERAGE_BUDGET * len(success)):
        worth, number, query = heap[0]
        units[query] = number
        if number < b_max:
            heapq.heapreplace(heap, (worth * failure[query], number + 1, query))
        else:
            heapq.heappop(heap)
    return np.array(units)


def by_sort(success: FloatArray, b_max: int) -> IntArray:
    """Builds all n x b_max marginal rewards and sorts them."""
    order = np.argsort(-from_success(success, b_max), axis=None)
    return np.bincount(order[: AVERAGE_BUDGET * len(success)] // b_max, minlength=len(success))


def ours(success: FloatArray, b_max: int) -> IntArray:
    """The same budgets without heap and table."""
    return allocate_success(success, AVERAGE_BUDGET * len(success), b_max=b_max).units


def _ours(repeats: int) -> dict[str, Any]:
    success, (alpha, beta) = chances(MILLION), beliefs(MILLION)
    total = AVERAGE_BUDGET * MILLION
    found = _timed("lambda_1m_b128", lambda: ours(success, 128), repeats)
    found |= _timed("lambda_1m_b1024", lambda: ours(success, 1024), repeats)
    found |= _timed("beta_1m_b128", lambda: allocate_beta(alpha, beta, total, b_max=128), repeats)
    found["peak_mebibytes"] = _peak()
    small, large = (chances(size) for size in GROWTH_SIZES)
    # the small one by the hundred: a few milliseconds say little
    found |= _timed("lambda_10k_b128", lambda: ours(small, 128), 100)
    found |= _timed("lambda_10m_b128", lambda: ours(large, 128), min(repeats, 3))
    linear = GROWTH_SIZES[1] / GROWTH_SIZES[0]
    found["growth"] = found["lambda_10m_b128_seconds"] / found["lambda_10k_b128_seconds"] / linear
    return found


def _timed(name: str, work: Callable[[], object], repeats: int) -> dict[str, Any]:
    """Median and spread in seconds, after one run that does not count."""
    seconds = [_seconds(work) for _ in range(repeats + 1)][1:]
    spread = [round(min(seconds), 4), round(max(seconds), 4)]
    return {f"{name}_seconds": statistics.median(seconds), f"{name}_seconds_spread": spread}


def _seconds(work: Callable[[], object]) -> float:
    """Processor time: all of it runs in one thread, and other processes hardly change it."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _contest(name: str, greedy: Greedy, limit_seconds: float, repeats: int) -> dict[str, Any]:
    """The other way on the largest size that it is likely to manage within the limit, and ours beside it."""
    pilot = chances(CONTESTED_SIZES[3])
    each = _seconds(lambda: greedy(pilot, B_MAX)) / len(pilot)
    # a cache serves the pilot better than the rest, so it promises too much
    feasible = [n for n in CONTESTED_SIZES if 1.5 * each * n < limit_seconds and _fits(name, n)]
    success = chances(max(feasible, default=CONTESTED_SIZES[0]))
    started = time.process_time()
    theirs = greedy(success, B_MAX)
    seconds = time.process_time() - started
    if not np.array_equal(theirs, ours(success, B_MAX)):
        sys.exit(f"{name} and allocate_success differ")
    found = {f"{name}_queries": len(success), f"{name}_seconds": seconds}
    return found | _timed(f"{name}_size_ours", lambda: ours(success, B_MAX), repeats)


def _fits(name: str, queries: int) -> bool:
    """Whether half of the free memory holds the table, its negative and its order."""
    return name != "sort" or 3 * 8 * B_MAX * queries < psutil.virtual_memory().available / 2


def _peak() -> float:
    """Peak memory of a process that allocates a million Beta rows and does nothing else, in MiB."""
    command = [sys.executable, "-m", "benchmarks.allocate", "--peak-only"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout)


def _peak_of_this_process() -> float:
    alpha, beta = beliefs(MILLION)
    allocate_beta(alpha, beta, AVERAGE_BUDGET * MILLION, b_max=B_MAX)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
