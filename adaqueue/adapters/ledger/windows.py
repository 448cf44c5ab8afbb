"""The scheduler's side of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import accounts, allocations, answers, features, leases, queries, runs
from adaqueue.core.records import ABSTENTION, Allocation, Waiting, Window
from adaqueue.core.specs import Run
from adaqueue.errors import LeaseLostError

LEASE = "windows"


class PostgresWindowLedger:
    """Takes windows and commits budgets.

    Args:
        database: the ledger's Postgres.
        holder: this scheduler, as it is known in `workers`.
        window_queries: a window closes with so many queries,
        window_seconds: or when its oldest query has waited so long.
        lease_seconds: how long a silent scheduler keeps others out.
    """

    def __init__(
        self,
        database: Database,
        holder: UUID,
        *,
        window_queries: int,
        window_seconds: float,
        lease_seconds: float = 10.0,
    ) -> None:
        self._database = database
        self._holder = holder
        self._window_queries = window_queries
        self._window_seconds = window_seconds
        self._lease_seconds = lease_seconds

    def acquire(self) -> int | None:
        """Takes or extends the lease, see `WindowLedger`."""
        with self._database.begin() as conn:
            return leases.acquire(conn, LEASE, self._holder, self._lease_seconds)

    def release(self) -> None:
        """Lets another scheduler take over at once."""
        with self._database.begin() as conn:
            leases.release(conn, LEASE, self._holder)

    def next_window(self) -> Window | None:
        """Returns the window that is due, see `WindowLedger`."""
        with self._database.begin() as conn:
            run_id = queries.due_run(conn, self._window_queries, self._window_seconds)
            if run_id is None:
                return None
            run = runs.by_id(conn, [run_id])[run_id]
            rows = queries.waiting(conn, run_id, self._window_queries)
            vectors = features.latest(conn, [row.id for row in rows])
            total = accounts.balance(conn, run_id, _allowance(run, len(rows)))
        waiting = tuple(_waiting(row, vectors.get(row.id), run) for row in rows)
        return Window(uuid7(), run, waiting, max(total, 0))

    def commit(self, epoch: int, window: Window, granted: Sequence[Allocation]) -> None:
        """Commits a window's decision, see `WindowLedger`."""
        with self._database.begin() as conn:
            if not leases.holds(conn, LEASE, self._holder, epoch):
                raise LeaseLostError(f"the lease on windows is no longer held at epoch {epoch}")
            if queries.to_sampling(conn, [a.query_id for a in granted]) != len(window.queries):
                raise LeaseLostError("a query of the window is no longer waiting")
            allocations.insert_all(conn, [_row(window, allocation) for allocation in granted])
            _abstain(conn, [a.query_id for a in granted if a.budget == 0])
            spent = sum(allocation.budget for allocation in granted)
            accounts.grant(conn, window.run.id, _allowance(window.run, len(window.queries)), spent)


def _allowance(run: Run, queries_in_window: int) -> Decimal:
    """B for each query of the window, exactly as the run was opened with it."""
    return Decimal(str(run.average_budget)) * queries_in_window


def _waiting(row: Row[Any], vector: Row[Any] | None, run: Run) -> Waiting:
    limits = [run.b_max, row.max_budget, row.recorded_samples if run.engine == "replay" else None]
    most = min(limit for limit in limits if limit is not None)
    return Waiting(
        id=row.id,
        external_id=row.external_id,
        domain=row.domain,
        min_budget=min(row.min_budget, most),
        max_budget=most,
        fingerprint=vector.fingerprint if vector else None,
        features=vector.vector if vector else None,
    )


def _row(window: Window, allocation: Allocation) -> dict[str, Any]:
    prediction = allocation.prediction
    return {
        "id": allocation.id,
        "query_id": allocation.query_id,
        "window_id": window.id,
        "round": 0,
        "decoder": window.run.decoder,
        "engine": window.run.engine,
        "budget": allocation.budget,
        "first_sample": allocation.first_sample,
        "alpha": prediction.alpha,
        "beta": prediction.beta,
        "price": allocation.price,
        "policy": window.run.policy,
        "probe": prediction.probe,
        "propensity": allocation.propensity,
        "reason": prediction.reason,
        "state": "ready" if allocation.budget else "done",
    }


def _abstain(conn: Connection, ids: Sequence[UUID]) -> None:
    """Answers queries that were granted nothing."""
    row = {"text": ABSTENTION, "reward": None, "verified": False, "budget": 0, "samples_used": 0}
    answers.insert_new(conn, [{"query_id": i, "sample_number": None, "abstained": True, **row} for i in ids])
    queries.close(conn, dict.fromkeys(ids, "abstained"))
