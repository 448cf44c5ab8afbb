"""The scheduler's side of the ledger where queries come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.lease import PostgresLease
from adaqueue.adapters.ledger.limits import least_samples, most_samples
from adaqueue.adapters.ledger.population import population_of
from adaqueue.adapters.sql import accounts, allocations, answers, features, predictions, queries, runs
from adaqueue.core.decisions import Account, Allocation, Entering, Prediction, Waiting, Window
from adaqueue.core.query import prompt_text
from adaqueue.core.sequential import HAZARDS
from adaqueue.core.specs import Run
from adaqueue.errors import LeaseLostError


class PostgresWindowLedger:
    """Takes windows and commits budgets.

    Args:
        database: the ledger's Postgres.
        lease: fences what is committed.
        window_queries: a window closes with so many queries,
        window_seconds: or when its oldest query has waited so long.
    """

    def __init__(
        self, database: Database, lease: PostgresLease, *, window_queries: int, window_seconds: float
    ) -> None:
        self._database = database
        self._lease = lease
        self._window_queries = window_queries
        self._window_seconds = window_seconds

    def next_window(self) -> Window | None:
        """Returns the window that is due, see `WindowLedger`."""
        with self._database.begin() as conn:
            due = queries.due_account(conn, self._window_queries, self._window_seconds)
            if due is None:
                return None
            run_id, tenant = due
            run = runs.by_id(conn, [run_id])[run_id]
            rows = queries.waiting(conn, run_id, tenant, self._window_queries)
            vectors = features.of_queries(conn, [row.id for row in rows])
            account = accounts.load(conn, run, tenant, self._window_queries)
            has_chat = any(row.domain == "chat" for row in rows)
            population = population_of(conn, run_id, tenant)[0] if has_chat else None
            believed = self._believed(conn, account)
        waiting = tuple(_waiting(row, vectors.get(row.id, {}), run) for row in rows)
        total = int(Decimal(str(account.balance)) + _allowance(run, len(rows)))
        return Window(uuid7(), account, waiting, max(total, 0), population, believed)

    def _believed(self, conn: Connection, account: Account) -> tuple[Prediction, ...]:
        """What was believed of a stream's first queries; empty once they are more than a full window."""
        if account.run.is_batch or account.run.policy not in HAZARDS:
            return ()
        found = predictions.of_account(conn, account, self._window_queries + 1)
        return tuple(found) if len(found) <= self._window_queries else ()

    def commit(self, epoch: int, window: Window, granted: Sequence[Allocation]) -> None:
        """Commits a window's decision, see `WindowLedger`."""
        with self._database.begin() as conn:
            self._lease.require(conn, epoch)
            if queries.to_sampling(conn, [a.query_id for a in granted], "window") != len(window.queries):
                raise LeaseLostError("a query of the window is no longer waiting")
            allocations.insert_decided(conn, window.id, window.run, granted)
            answers.abstain(conn, [a.query_id for a in granted if a.budget == 0])
            queries.close(conn, {a.query_id: "abstained" for a in granted if a.budget == 0})
            accounts.enter(conn, window.account, _allowance(window.run, len(window.queries)))
            accounts.grant(conn, window.account, sum(allocation.budget for allocation in granted))

    def enter(
        self,
        epoch: int,
        window: Window,
        entering: Sequence[Entering],
        prices: tuple[float, float] | None,
        explored: Sequence[Allocation] = (),
    ) -> None:
        """Opens queries for sequential buying, see `WindowLedger`."""
        granted = {allocation.query_id for allocation in explored}
        indices = {query.query_id: query.index for query in entering if query.query_id not in granted}
        with self._database.begin() as conn:
            self._lease.require(conn, epoch)
            moved = queries.to_open(conn, indices, "window")
            moved += queries.to_sampling(conn, list(granted), "window")
            if moved != len(window.queries):
                raise LeaseLostError("a query of the window is no longer waiting")
            predictions.insert_all(conn, window.id, entering)
            allocations.insert_decided(conn, window.id, window.run, explored)
            accounts.enter(conn, window.account, _allowance(window.run, len(window.queries)))
            accounts.grant(conn, window.account, sum(allocation.budget for allocation in explored))
            if prices is not None:
                accounts.set_prices(conn, window.account, prices)


def _allowance(run: Run, queries_in_window: int) -> Decimal:
    """B for each query of the window, exactly as the run was opened with it."""
    return Decimal(str(run.average_budget)) * queries_in_window


def _waiting(row: Row[Any], vectors: Mapping[str, bytes], run: Run) -> Waiting:
    return Waiting(
        id=row.id,
        external_id=row.external_id,
        domain=row.domain,
        min_budget=least_samples(run, row),
        max_budget=most_samples(run, row),
        features=vectors,
        prompt=prompt_text(row.prompt),
    )
