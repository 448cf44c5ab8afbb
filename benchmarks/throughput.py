"""Queries a second through the whole system with replayed samples, what they cost, and Celery's own floor.

`python -m benchmarks.throughput [--policy P] [--queries N] [--samplers S] [--repeats R] [--json FILE]`
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import psutil
import psycopg
import redis

from adaqueue import AdaQueue, Query, RecordedSample, Recording, wiring
from adaqueue.adapters.servers import EmbeddedServers
from adaqueue.adapters.system_status import read_status
from benchmarks import report
from benchmarks.celery_noop import noop_per_second

DRAWS = 16
AVERAGE_BUDGET = 4.0
MEBIBYTE = 2**20


class Watch(Thread):
    """Notes each process's memory ten times a minute, and its processor time, while a run lasts.

    Args:
        folder: the system's data folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._ended = Event()
        self.mebibytes: dict[str, list[float]] = defaultdict(list)
        self.cpu_seconds: dict[str, float] = {}

    def run(self) -> None:
        """Looks every second."""
        before = self._cpu()
        while not self._ended.wait(1.0):
            for name, process in self._processes():
                self.mebibytes[name].append(process.memory_info().rss / MEBIBYTE)
        self.cpu_seconds = {name: used - before.get(name, 0.0) for name, used in self._cpu().items()}

    def end(self) -> None:
        """Stops looking."""
        self._ended.set()
        self.join()

    def growth(self) -> dict[str, float]:
        """Returns how much more memory each process has at the end than after a third of the run, in MiB."""
        series = {name: found for name, found in self.mebibytes.items() if len(found) >= 6}
        return {name: round(found[-1] - found[len(found) // 3], 1) for name, found in series.items()}

    def _cpu(self) -> dict[str, float]:
        used: dict[str, float] = defaultdict(float)
        for name, process in self._processes():
            # the system is the client's own child here
            members = [] if name == "client" else process.children(recursive=True)
            for member in [process, *members]:
                with suppress(psutil.NoSuchProcess):
                    times = member.cpu_times()
                    used[name] += times.user + times.system
        return {name: round(seconds, 2) for name, seconds in used.items()}

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        yield "client", psutil.Process()
        for found in read_status(self._folder).processes:
            if found.pid is not None:
                with suppress(psutil.NoSuchProcess):
                    yield found.name, psutil.Process(found.pid)


def queries(count: int) -> list[Query]:
    """Queries of all difficulties, each with recorded rewards."""
    rng = np.random.default_rng(0)
    chances = rng.beta(0.5, 0.5, size=count)
    drawn = rng.random((count, DRAWS)) < chances[:, None]
    return [
        Query(
            domain="math",
            prompt=f"What is {number} + {number}?",
            reference=str(2 * number),
            id=str(number),
            recording=Recording(tuple(RecordedSample(None, float(hit)) for hit in row)),
        )
        for number, row in enumerate(drawn.tolist())
    ]


@contextmanager
def system(samplers: int) -> Iterator[wiring.Settings]:
    """A system of this benchmark's own."""
    folder = Path(tempfile.mkdtemp(prefix="adaqueue-throughput-"))
    settings = wiring.load_settings(data_folder=folder, engine="replay", samplers=samplers)
    with wiring.own_system(settings, lambda _: None, keep=False, keep_unfinished=False):
        yield settings


def measure(settings: wiring.Settings, policy: str, count: int) -> dict[str, Any]:
    """Takes queries through the system and returns what it took."""
    asked = queries(count)
    watch = Watch(settings.data_folder)
    ledger_before, redis_before = _sizes(settings)
    watch.start()
    started = time.perf_counter()
    ended: list[float] = []
    with AdaQueue.connect(
        data_folder=settings.data_folder,
        engine="replay",
        policy=policy,
        average_budget=AVERAGE_BUDGET,
        batch=True,
    ) as queue:
        receipts, given = [], []
        for start in range(0, count, 1_000):
            receipts += queue.enqueue_many(asked[start : start + 1_000])
            given += [time.perf_counter()] * len(asked[start : start + 1_000])
        queue.seal()
        accepted = time.perf_counter() - started
        for receipt in receipts:
            receipt.future.add_done_callback(lambda _: ended.append(time.perf_counter()))
        for receipt in receipts:
            receipt.result(timeout=600)
        seconds = time.perf_counter() - started
        watch.end()
        counts = queue.counts()
        queue.finish()
    ledger_after, redis_after = _sizes(settings)
    waits = np.sort(np.array(ended)) - np.array(given)
    return {
        "queries_per_second": count / seconds,
        "accepted_per_second": count / accepted,
        "p50_milliseconds": float(np.percentile(waits, 50) * 1e3),
        "p99_milliseconds": float(np.percentile(waits, 99) * 1e3),
        "bytes_per_query": (ledger_after - ledger_before) / count,
        "redis_bytes_per_query": (redis_after - redis_before) / count,
        "samples": counts["samples"],
        "cpu_microseconds_per_query": {
            name: round(1e6 * used / count) for name, used in watch.cpu_seconds.items()
        },
        "memory_growth_mebibytes": watch.growth(),
        "sampler_shares": _shares(settings),
    }


def _sizes(settings: wiring.Settings) -> tuple[int, int]:
    """Bytes of the ledger and of Redis."""
    urls = EmbeddedServers(settings.data_folder).urls()
    with _ledger(urls.database_url) as connection:
        (ledger,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    with redis.Redis.from_url(urls.redis_url) as client:
        memory: Any = client.info("memory")
    return int(str(ledger)), int(memory["used_memory"])


def _shares(settings: wiring.Settings) -> list[float]:
    """Each sampler's share of the finished attempts."""
    urls = EmbeddedServers(settings.data_folder).urls()
    with _ledger(urls.database_url) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM attempts WHERE outcome = 'finished' GROUP BY worker_id ORDER BY 1 DESC"
        ).fetchall()
    found = [int(str(row[0])) for row in rows]
    return [round(share / sum(found), 3) for share in found]


def _ledger(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def main() -> None:
    """Measures as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--policy", default="sequential", help="who gets samples (default sequential)")
    parser.add_argument("--queries", type=int, default=20_000, help="queries of a run (default 20,000)")
    parser.add_argument("--samplers", type=int, default=2, help="sampler processes (default 2)")
    parser.add_argument("--repeats", type=int, default=3, help="runs in one system (default 3)")
    parser.add_argument("--json", help="write figures to this file; - is stdout")
    chosen = parser.parse_args()
    with system(chosen.samplers) as settings:
        runs = [measure(settings, chosen.policy, chosen.queries) for _ in range(chosen.repeats)]
        noop = noop_per_second(EmbeddedServers(settings.data_folder).urls().broker_url, chosen.queries)
    figures = _figures(runs, noop)
    report.show(f"{chosen.queries:,} replayed queries, {chosen.samplers} samplers, {chosen.policy}", figures)
    report.write(chosen.json, {"policy": chosen.policy, "repeats": chosen.repeats, **figures})


def _figures(runs: list[dict[str, Any]], noop: float) -> dict[str, Any]:
    """Medians of the runs' numbers, and the last run's tables."""
    rates = [run["queries_per_second"] for run in runs]
    medians = {
        name: statistics.median(run[name] for run in runs)
        for name, value in runs[0].items()
        if isinstance(value, float)
    }
    tables = {name: value for name, value in runs[-1].items() if isinstance(value, dict | list)}
    return {
        **medians,
        "queries_per_second_spread": max(rates) - min(rates),
        "celery_noop_per_second": noop,
        "ratio_to_celery": medians["queries_per_second"] / noop,
        **tables,
    }


if __name__ == "__main__":
    main()
