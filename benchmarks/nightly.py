"""How long queries that serve wait beside a live suite, and beside the same backlog of a run that serves.

`python -m benchmarks.nightly --data-folder DIR [--queries N] [--json FILE]`, on a system that is up.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

from adaqueue import AdaQueue, Query
from adaqueue.adapters.ledger.live_runs import LiveRuns
from adaqueue.core.errands import Errand
from adaqueue.core.specs import EVALUATION, Run
from adaqueue.demo.queries import demo_queries
from adaqueue.wiring.clients import client_services
from benchmarks import report

BACKLOG = 800
DRAWS = 16
SETTLED_SECONDS = 3.0


def questions(count: int, seed: int) -> list[Query]:
    """Returns so many different questions."""
    rows = demo_queries(8 * count, "math", seed)
    return [Query.from_row({**row, "id": f"{seed}-{n}"}) for n, row in zip(range(count), rows, strict=False)]


def latencies(folder: Path, queries: list[Query]) -> list[float]:
    """Returns the seconds from giving a query to its answer, of one after the other."""
    found = []
    with AdaQueue.connect(data_folder=folder, policy="uniform", average_budget=2) as queue:
        for query in queries:
            started = time.perf_counter()
            queue.enqueue(query).result(timeout=300)
            found.append(time.perf_counter() - started)
    return found


@contextmanager
def suite(folder: Path) -> Iterator[None]:
    """The scoring run of a live suite, as the nightly run gives it."""
    given, ended = questions(BACKLOG, int(time.time())), Event()
    services = client_services(None, {"data_folder": folder, "policy": "uniform", "average_budget": DRAWS})

    def new_run(errand: Errand) -> Run:
        return replace(services.new_run(None, is_batch=True), purpose=EVALUATION)

    def work() -> None:
        runs = LiveRuns(services.database, services.inbox, new_run, lambda _: None, services.settings.model)
        runs.run(Errand("suite", "uniform", DRAWS), given)
        ended.set()

    Thread(target=work, daemon=True).start()
    time.sleep(SETTLED_SECONDS)
    yield
    while not ended.wait(1.0):
        pass
    services.close()


@contextmanager
def backlog(folder: Path) -> Iterator[None]:
    """The same queries all at once, as a run that serves."""
    with AdaQueue.connect(data_folder=folder, policy="uniform", average_budget=DRAWS, batch=True) as queue:
        receipts = queue.enqueue_many(questions(BACKLOG, int(time.time())))
        time.sleep(SETTLED_SECONDS)
        yield
        for receipt in receipts:
            receipt.result(timeout=600)


def main() -> None:
    """Measures as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-folder", type=Path, required=True, help="of the system that is up")
    parser.add_argument("--queries", type=int, default=20, help="that are timed in each state (default 20)")
    parser.add_argument("--json", help="write figures to this file; - is stdout")
    chosen = parser.parse_args()
    states: dict[str, Callable[[], Any]] = {
        "idle": nullcontext,
        "beside_a_suite": lambda: suite(chosen.data_folder),
        "beside_the_same_backlog": lambda: backlog(chosen.data_folder),
    }
    figures = {}
    for seed, (name, state) in enumerate(states.items()):
        with state():
            found = np.array(latencies(chosen.data_folder, questions(chosen.queries, seed)))
        figures[name] = {f"p{p}_seconds": float(np.percentile(found, p)) for p in (50, 95)}
    report.show(
        f"{chosen.queries} queries, one after the other; a suite of {BACKLOG} queries, {DRAWS} draws each",
        {f"{name} {key}": value for name, row in figures.items() for key, value in row.items()},
    )
    report.write(chosen.json, {"queries": chosen.queries, "repeats": 1, **figures})


if __name__ == "__main__":
    main()
