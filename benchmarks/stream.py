"""An open stream of the twin's queries through the real scheduler and ledger, its success odds halved midway.

`python -m benchmarks.stream [--domain math] [--queries N] [--average-budget B] [--plot FILE] [--json FILE]`

The probe does not see the shift: what it believes stays what it was. Windows of 256 queries come in; in
between the scheduler buys and the replay engine draws a bounded number of samples, so that windows overlap as
they do where the engine is busy. The scheduler is made anew now and then: nothing of its own may matter.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from uuid_utils.compat import uuid7

from adaqueue.adapters.data_folder import hold
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.ingest import PostgresIngestLedger
from adaqueue.adapters.ledger.lease import PostgresLease
from adaqueue.adapters.ledger.results import PostgresResults
from adaqueue.adapters.ledger.rounds import PostgresRoundLedger
from adaqueue.adapters.ledger.sampling import PostgresSamplingLedger
from adaqueue.adapters.ledger.windows import PostgresWindowLedger
from adaqueue.adapters.replay_engine import ReplayEngine
from adaqueue.adapters.schema import upgrade
from adaqueue.adapters.servers import EmbeddedServers
from adaqueue.adapters.supervisor import Supervisor
from adaqueue.core.arrivals import Arrival
from adaqueue.core.decisions import Prediction, Waiting
from adaqueue.core.query import Query
from adaqueue.core.recording import RecordedSample, Recording
from adaqueue.core.specs import Run
from adaqueue.core.twin import POPULATIONS, Twin, draw
from adaqueue.flows.draw import draw as draw_samples
from adaqueue.flows.schedule import buy_once, schedule_once
from benchmarks import report

WINDOW = 256
WAVES = 16
B_MAX = 64
SAMPLES_BETWEEN_WINDOWS = 1.25
SCHEDULER_LIVES_WINDOWS = 20
SPENT = text("SELECT allowed, granted - returned AS spent, base_price, price FROM accounts")


@dataclass
class Bell:
    """Hears which allocations are ready."""

    heard: list[UUID] = field(default_factory=list)

    def ring(self, queue: str, ids: Sequence[UUID], *, alone: bool = False, gives_way: bool = False) -> None:
        """Remembers them."""
        self.heard += ids

    def waiting(self, queue: str) -> int:
        """Returns 0: all are heard."""
        return 0


@dataclass(frozen=True)
class TwinPredictor:
    """Believes what the twin's probe says of each query, by its id.

    Attributes:
        twin: the queries.
    """

    twin: Twin

    def predict(self, run: Run, queries: Sequence[Waiting]) -> list[Prediction]:
        """Returns the moment-matched Beta of each query."""
        places = [int(query.external_id) for query in queries]
        pairs = zip(self.twin.alpha[places].tolist(), self.twin.beta[places].tolist(), strict=True)
        return [Prediction(alpha, beta, "twin", "") for alpha, beta in pairs]


@contextmanager
def ledger() -> Iterator[Database]:
    """Yields a fresh ledger on a Postgres of its own."""
    with tempfile.TemporaryDirectory() as name, hold(Path(name)) as held:
        servers = EmbeddedServers(held.folder)
        try:
            with Supervisor(held.folder) as supervisor:
                for spec in servers.prepare():
                    supervisor.start(spec)
                servers.wait_ready(supervisor)
                database = Database(servers.urls().database_url)
                upgrade(database)
                yield database
                database.close()
        finally:
            servers.discard()


class Stream:
    """A run with its scheduler and sampler.

    Args:
        database: an empty ledger.
        twin: whose queries they are.
        average_budget: B.
    """

    def __init__(self, database: Database, twin: Twin, average_budget: float) -> None:
        self._database = database
        self._predictor = TwinPredictor(twin)
        self._bell = Bell()
        self._results = PostgresResults(database)
        run = Run(uuid7(), "stream", "replay", "replay", "sequential", average_budget, B_MAX, False)
        self.run = self._results.open_run(run)
        worker = uuid7()
        sampling = PostgresSamplingLedger(database, lambda: worker, decoder="replay", most_failures=5)
        self._draw = partial(
            draw_samples, ledger=sampling, engine=ReplayEngine(), doorbell=self._bell, stopping=Event()
        )
        self._lease = PostgresLease(database, uuid7())
        self.restart_scheduler()

    def restart_scheduler(self) -> None:
        """A new scheduler takes over: whatever the old one knew is forgotten."""
        self._lease.release()
        self._lease = PostgresLease(self._database, uuid7(), seconds=600.0)
        self._windows = PostgresWindowLedger(
            self._database, self._lease, window_queries=WINDOW, window_seconds=0.0
        )
        self._rounds = PostgresRoundLedger(
            self._database,
            self._lease,
            window_queries=WINDOW,
            response_samples=WINDOW,
            waves=WAVES,
            idle_seconds=60.0,
        )

    def give(self, queries: Sequence[Query]) -> None:
        """Queries arrive, and their window is taken in."""
        arrivals = [Arrival(uuid7(), self.run.id, query) for query in queries]
        PostgresIngestLedger(self._database).insert(arrivals)
        schedule_once(self._lease, self._windows, self._predictor, self._bell, WINDOW)

    def work(self, samples: float) -> None:
        """Buys and draws until about so many samples are drawn, or nothing is left to do."""
        drawn = 0.0
        while drawn < samples and buy_once(self._lease, self._rounds, self._bell, WAVES):
            ids, self._bell.heard = self._bell.heard, []
            self._draw(ids)
            drawn += len(ids)

    def account(self) -> dict[str, float]:
        """Returns allowed, spent, base_price and price."""
        with self._database.begin() as conn:
            return {name: float(value) for name, value in conn.execute(SPENT).one()._mapping.items()}

    def solved(self) -> int:
        """Returns how many queries have a verified answer."""
        with self._database.begin() as conn:
            return int(conn.execute(text("SELECT count(*) FROM answers WHERE verified")).scalar_one())


def recorded(twin: Twin, halved: bool, rng: np.random.Generator) -> list[Query]:
    """Returns the twin's queries with their draws, in order; with odds `halved` in the second half."""
    n = len(twin.success)
    odds = twin.success / np.maximum(1 - twin.success, 1e-12)
    odds[n // 2 :] *= 0.5 if halved else 1.0
    success = odds / (1 + odds)
    return [
        Query(domain="math", prompt="twin", id=str(place), recording=_draws(rng.random(B_MAX) < chance))
        for place, chance in enumerate(success.tolist())
    ]


def _draws(rewards: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Recording:
    return Recording(tuple(RecordedSample(None, float(reward)) for reward in rewards))


def measure(queries: Sequence[Query], twin: Twin, average_budget: float) -> dict[str, Any]:
    """Returns the account window by window, and what the promises are judged by."""
    path = []
    started = time.monotonic()
    with ledger() as database:
        stream = Stream(database, twin, average_budget)
        for number, start in enumerate(range(0, len(queries), WINDOW)):
            if number % SCHEDULER_LIVES_WINDOWS == 0:
                stream.restart_scheduler()
            stream.give(queries[start : start + WINDOW])
            stream.work(SAMPLES_BETWEEN_WINDOWS * average_budget * WINDOW)
            path.append({"queries": min(start + WINDOW, len(queries)), **stream.account()})
        stream.work(float("inf"))
        end = stream.account()
        solved = stream.solved()
    return {**_judged(path, end, average_budget), "solved": solved, "seconds": time.monotonic() - started}


def _judged(path: list[dict[str, float]], end: dict[str, float], average_budget: float) -> dict[str, Any]:
    """Spending over the whole, and over every 10,000 queries in a row, as shares of what was allowed."""
    spent = np.array([0.0, *(point["spent"] for point in path)])
    seen = np.array([0.0, *(point["queries"] for point in path)])
    stretches = [
        (spent[j] - spent[i]) / (seen[j] - seen[i]) / average_budget
        for i in range(len(seen))
        for j in [int(np.searchsorted(seen, seen[i] + 10_000))]
        if j < len(seen)
    ]
    balance = average_budget * seen[1:] - spent[1:]
    return {
        "spent_share": end["spent"] / end["allowed"],
        "worst_10000_share": max(stretches, key=lambda share: abs(share - 1), default=None),
        "largest_overdraft_windows": float(max(-balance.min(), 0.0) / (average_budget * WINDOW)),
        "path": path,
    }


def plot(path: Sequence[dict[str, float]], average_budget: float, shift: int, file: Path) -> None:
    """Draws average spending, account and price over the queries that came."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    seen = np.array([point["queries"] for point in path])
    spent = np.array([point["spent"] for point in path])
    near = np.array([max(0, place - 20) for place in range(len(path))])
    rate = np.diff(spent, prepend=0.0) / np.diff(seen, prepend=0.0)
    rolling = [rate[start : place + 1].mean() for place, start in enumerate(near)]
    figure, axes = pyplot.subplots(3, 1, sharex=True, figsize=(8, 7), layout="constrained")
    axes[0].plot(seen, rate, color="0.75", label="in each window")
    axes[0].plot(seen, rolling, label="over the last 21 windows")
    axes[0].axhline(average_budget, color="black", linewidth=0.8)
    axes[0].set_ylabel("samples a query")
    axes[0].legend()
    axes[1].plot(seen, (average_budget * seen - spent) / (average_budget * WINDOW))
    axes[1].axhline(-1, color="black", linewidth=0.8, linestyle=":")
    axes[1].set_ylabel("balance, windows")
    axes[2].semilogy(seen, [point["price"] for point in path])
    axes[2].set_ylabel("price")
    axes[2].set_xlabel("queries")
    for axis in axes:
        axis.axvline(shift, color="black", linewidth=0.8, linestyle="--")
    figure.savefig(file)


def main() -> None:
    """Measures, prints a table, and writes figures and plot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domain", choices=sorted(POPULATIONS), default="math")
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--average-budget", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steady", action="store_true", help="no shift")
    parser.add_argument("--plot", type=Path, help="an SVG file")
    parser.add_argument("--json", help="a file, or - for stdout")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    twin = draw(POPULATIONS[given.domain], given.queries, rng)
    found = measure(recorded(twin, not given.steady, rng), twin, given.average_budget)
    report.show(
        f"{given.queries} queries, B = {given.average_budget:g}, odds halved midway",
        {name: value for name, value in found.items() if name != "path"},
    )
    if given.plot is not None:
        plot(found["path"], given.average_budget, given.queries // 2, given.plot)
    report.write(given.json, {"repeats": 1, **vars(given), "plot": str(given.plot), **found})


if __name__ == "__main__":
    main()
