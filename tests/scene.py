"""A run in the real ledger and the ways into it, for tests that begin in the middle of a query's life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.features import PostgresFeatureLedger
from adaqueue.adapters.ledger.ingest import PostgresIngestLedger
from adaqueue.adapters.ledger.lease import PostgresLease
from adaqueue.adapters.ledger.reaper import PostgresReaperLedger
from adaqueue.adapters.ledger.results import PostgresResults
from adaqueue.adapters.ledger.rounds import PostgresRoundLedger
from adaqueue.adapters.ledger.sampling import PostgresSamplingLedger
from adaqueue.adapters.ledger.verifying import PostgresVerifyingLedger
from adaqueue.adapters.ledger.windows import PostgresWindowLedger
from adaqueue.adapters.sql import workers
from adaqueue.core.arrivals import Arrival
from adaqueue.core.decisions import Allocation, Prediction, Window
from adaqueue.core.query import Query
from adaqueue.core.recording import RecordedSample, Recording
from adaqueue.core.records import Answer, Claim, Closing, Sample, Verdict
from adaqueue.core.specs import Run, Sampling

SAMPLING = Sampling("m", 0.7, 8)
PRIOR = Prediction(1.0, 1.0, "prior", "no probe")
AGES = (
    ("accounts", "entered_at"),
    ("workers", "heartbeat_at"),
    ("queries", "deadline_at"),
    ("queries", "since"),
    ("allocations", "rung_at"),
    ("leases", "expires_at"),
)


def query(external_id: str = "q", **fields: Any) -> Query:
    return Query(
        **{"domain": "math", "prompt": "What is 1 + 1?", "reference": "2", "id": external_id, **fields}
    )


def recorded(*rewards: float, **fields: Any) -> Recording:
    samples = [RecordedSample(f"sample {n}", reward, 3) for n, reward in enumerate(rewards)]
    return Recording(tuple(samples), **fields)


class Windows(PostgresWindowLedger):
    """With the lease of its own scheduler."""

    def __init__(self, database: Database, lease: PostgresLease, **given: Any) -> None:
        super().__init__(database, lease, **given)
        self.lease = lease


class Scene:
    """One run, and the sides of the ledger as the flows see them.

    Args:
        database: fresh and migrated.
        **run: fields of the run that differ from the usual ones.
    """

    def __init__(self, database: Database, **run: Any) -> None:
        usual: dict[str, Any] = {
            "id": uuid7(),
            "name": "run",
            "engine": "transformers",
            "decoder": "m",
            "policy": "uniform",
            "average_budget": 2.0,
            "b_max": 8,
            "has_features": False,
        }
        self.database = database
        self.results = PostgresResults(database)
        self.ingest = PostgresIngestLedger(database)
        self.features = PostgresFeatureLedger(database)
        self.run = self.results.open_run(Run(**{**usual, **run}))

    def arrival(self, given: Query) -> Arrival:
        return Arrival(uuid7(), self.run.id, given)

    def add(self, *queries: Query) -> list[UUID]:
        arrivals = [self.arrival(given) for given in queries]
        _, refused = self.ingest.insert(arrivals)
        assert refused == []
        return [arrival.id for arrival in arrivals]

    def lease(self, seconds: float = 60.0) -> PostgresLease:
        return PostgresLease(self.database, self.worker("scheduler"), seconds)

    def windows(self, lease_seconds: float = 60.0, **given: Any) -> Windows:
        usual: dict[str, Any] = {"window_queries": 100, "window_seconds": 0.0}
        return Windows(self.database, self.lease(lease_seconds), **{**usual, **given})

    def rounds(self, lease: PostgresLease, **given: Any) -> PostgresRoundLedger:
        usual: dict[str, Any] = {
            "window_queries": 100,
            "response_samples": 100,
            "waves": 16,
            "idle_seconds": 60.0,
        }
        return PostgresRoundLedger(self.database, lease, **{**usual, **given})

    def grant(self, *budgets: int) -> list[UUID]:
        """Gives the waiting queries, oldest first, these budgets; returns the allocations' keys."""
        windows = self.windows()
        epoch, window = windows.lease.acquire(), windows.next_window()
        assert epoch is not None
        assert window is not None
        granted = allocations(window, *budgets)
        windows.commit(epoch, window, granted)
        windows.lease.release()
        return [allocation.id for allocation in granted]

    def sampler(self, worker: UUID | None = None, most_failures: int = 3) -> PostgresSamplingLedger:
        worker = worker or self.worker()
        return PostgresSamplingLedger(self.database, lambda: worker, decoder="m", most_failures=most_failures)

    def verifier(self, worker: UUID | None = None, most_failures: int = 3) -> PostgresVerifyingLedger:
        worker = worker or self.worker("verifier")
        return PostgresVerifyingLedger(self.database, lambda: worker, most_failures=most_failures)

    def reaper(self, **given: Any) -> PostgresReaperLedger:
        usual: dict[str, Any] = {"worker_seconds": 10.0, "ring_seconds": 15.0, "most_failures": 3}
        return PostgresReaperLedger(self.database, max_tokens=SAMPLING.max_tokens, **{**usual, **given})

    def worker(self, kind: str = "sampler") -> UUID:
        worker = uuid7()
        with self.database.begin() as conn:
            workers.register(conn, worker, workers.Worker(kind, "host", 1))
        return worker

    def beat(self, worker: UUID) -> None:
        with self.database.begin() as conn:
            workers.beat(conn, worker)

    def pass_time(self, seconds: float) -> None:
        """Makes all that waits for a time so much older."""
        with self.database.begin() as conn:
            for table, column in AGES:
                ago = f"{column} - make_interval(secs => :seconds)"
                conn.execute(text(f"UPDATE {table} SET {column} = {ago}"), {"seconds": seconds})  # noqa: S608 - constants

    def rows(self, statement: str, **parameters: Any) -> list[Row[Any]]:
        with self.database.begin() as conn:
            return list(conn.execute(text(statement), parameters))

    def one(self, statement: str, **parameters: Any) -> Any:
        (row,) = self.rows(statement, **parameters)
        return row[0] if len(row) == 1 else tuple(row)

    def account(self) -> dict[str, float]:
        (row,) = self.rows(
            "SELECT allowed, granted, returned FROM accounts WHERE run_id = :run", run=self.run.id
        )
        return {name: float(value) for name, value in row._mapping.items()}

    def outcomes(self) -> dict[str, str | None]:
        rows = self.rows("SELECT external_id, outcome FROM queries ORDER BY external_id")
        return {row.external_id: row.outcome for row in rows}


def allocations(window: Window, *budgets: int) -> list[Allocation]:
    return [
        Allocation(uuid7(), waiting.id, budget, 0, PRIOR, 0.0)
        for waiting, budget in zip(window.queries, budgets, strict=True)
    ]


def samples(claim: Claim, *numbers: int, tokens: int = 3) -> list[Sample]:
    return [
        Sample(claim.query_id, number, number, f"text {number}", 5, tokens, "stop", 0.1) for number in numbers
    ]


def verdict(claim: Claim, number: int, reward: float | None = 1.0, **fields: Any) -> Verdict:
    said = {None: "not_verified", 0.0: "wrong_answer"}.get(reward, "passed")
    usual = {"verifier": "math" if reward is not None else "none", "version": "1", "route": "number"}
    return Verdict(claim.query_id, number, said, reward, **{**usual, "tier": None, "seconds": 0.0, **fields})


def closing(claim: Claim, number: int = 0, reward: float | None = 1.0) -> Closing:
    answer = Answer(
        id=str(claim.query.id),
        text=f"text {number}",
        reward=reward,
        verified=reward == 1.0,
        budget=claim.budget,
        samples_used=claim.budget,
        abstained=False,
    )
    return Closing(claim, answer, number)


def by_id(claims: Sequence[Claim]) -> Mapping[str, Claim]:
    return {str(claim.query.id): claim for claim in claims}
