"""The scheduler's side of the ledger for open queries: what they draw next, and when they end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.lease import PostgresLease
from adaqueue.adapters.ledger.limits import least_samples, most_samples
from adaqueue.adapters.ledger.population import population_of
from adaqueue.adapters.ledger.refunds import return_samples
from adaqueue.adapters.sql import (
    accounts,
    allocations,
    answers,
    predictions,
    queries,
    runs,
    verdicts,
    workers,
)
from adaqueue.core.decisions import Account, Allocation, Open, Outlook, Prediction, Round
from adaqueue.core.specs import Run
from adaqueue.errors import LeaseLostError

MOST_QUERIES = 1_000
SAMPLER_SECONDS = 30.0
RESPONSES_PER_SAMPLER = 2
"""One that is drawn, and one that waits, so that a sampler never does."""

LEAST_IN_FLIGHT = 8
"""Samples of an evaluation that may wait among those of others, however busy these keep the engine."""


class PostgresRoundLedger:
    """Says whose turn it is, and commits what is bought.

    Args:
        database: the ledger's Postgres.
        lease: fences what is committed.
        window_queries: of a full window; a stream may overdraw by what that many queries allow.
        response_samples: samples that a sampler draws at once.
        waves: a run's total is drawn in at least so many.
        idle_seconds: a batch that got no query for so long gets no more.
    """

    def __init__(
        self,
        database: Database,
        lease: PostgresLease,
        *,
        window_queries: int,
        response_samples: int,
        waves: int,
        idle_seconds: float,
    ) -> None:
        self._database = database
        self._lease = lease
        self._window_queries = window_queries
        self._response_samples = response_samples
        self._waves = waves
        self._idle_seconds = idle_seconds

    def next_round(self) -> Round | None:
        """Returns the open queries whose turn it is, see `RoundLedger`."""
        with self._database.begin() as conn:
            due = accounts.next_open(conn)
            if due is None:
                return None
            run_id, tenant = due
            run = runs.by_id(conn, [run_id])[run_id]
            accounts.served(conn, run_id, tenant)  # locks it: a refund is either in the balance or in flight
            account = accounts.load(conn, run, tenant, self._window_queries)
            in_flight = allocations.in_flight(conn, run_id, tenant)
            room = min(self._engine_room(conn, run, in_flight), self._wave_room(conn, account, in_flight))
            is_last = in_flight == 0 and accounts.is_complete(conn, account, self._idle_seconds)
            most = MOST_QUERIES if is_last and account.credit < 1 else room
            rows = queries.to_price(conn, run_id, tenant, MOST_QUERIES)
            rows += queries.largest_index(conn, run_id, tenant, most)
            said = predictions.of_queries(conn, [row.id for row in rows])
            drew = verdicts.best_and_mean(
                conn, [row.id for row in rows if row.domain == "chat" and row.drawn]
            )
            population, is_settled = population_of(conn, run_id, tenant) if drew else (None, True)
        opened = tuple(_open(row, said[row.id], run, drew.get(row.id)) for row in rows)
        return Round(uuid7(), account, opened, room, is_last, population, is_settled)

    def commit_round(
        self, epoch: int, decided: Round, granted: Sequence[Allocation], kept: Sequence[Outlook]
    ) -> None:
        """Commits a round's decision, see `RoundLedger`."""
        bought = [a for a in granted if a.budget]
        ended = [a.query_id for a in granted if not a.budget]
        with self._database.begin() as conn:
            self._lease.require(conn, epoch)
            if queries.lock_open(conn, [a.query_id for a in granted]) != len(granted):
                raise LeaseLostError("a query of the round is no longer open")
            queries.to_sampling(conn, [a.query_id for a in bought], "open")
            allocations.insert_decided(conn, decided.id, decided.account.run, granted)
            self._close(conn, ended)
            queries.set_index(conn, {outlook.query_id: outlook.index for outlook in kept})
            accounts.grant(conn, decided.account, sum(allocation.budget for allocation in bought))

    def expire(self) -> int:
        """Ends queries whose deadline has passed, unless they are being drawn; returns how many.

        What a query has drawn of its samples is not lost on it: it ends when the rest is drawn and verified.

        Needs no lease: whoever comes first does it.
        """
        with self._database.begin() as conn:
            late = queries.past_deadline(conn, MOST_QUERIES)
            if not late:
                return 0
            taken_back = allocations.take_back(conn, late)
            claimed = queries.being_sampled(conn, late) - set(taken_back)
            ended = [query_id for query_id in late if query_id not in claimed]
            return_samples(conn, taken_back)
            self._close(conn, ended, unanswered="expired")
        return len(ended)

    def _close(self, conn: Connection, ended: Sequence[UUID], unanswered: str = "abstained") -> None:
        """Ends queries with the best of what was drawn; those that never drew, without an answer."""
        answered = answers.present(conn, ended)
        if unanswered == "abstained":
            answers.abstain(conn, [query_id for query_id in ended if query_id not in answered])
        queries.close(conn, {i: "answered" if i in answered else unanswered for i in ended})

    def _engine_room(self, conn: Connection, run: Run, in_flight: int) -> int:
        """An evaluation fills only what others leave of one response: theirs never wait for more of it."""
        response = self._response_samples * max(workers.count(conn, "sampler", SAMPLER_SECONDS), 1)
        flying = allocations.in_flight_of_engine(conn, run.engine)
        if run.gives_way:
            return max(response - flying, LEAST_IN_FLIGHT - in_flight, 0)
        return max(RESPONSES_PER_SAMPLER * response - flying, 0)

    def _wave_room(self, conn: Connection, account: Account, in_flight: int) -> int:
        """A wave is bought in halves, so that the engine draws one while the other is verified."""
        wave = max(math.ceil(accounts.allowed(conn, account) / self._waves), 1)
        return min(max(wave - in_flight, 0), math.ceil(wave / 2))


def _open(row: Row[Any], said: Prediction, run: Run, rewards: tuple[float, float] | None) -> Open:
    return Open(
        id=row.id,
        external_id=row.external_id,
        prediction=said,
        drawn=row.drawn,
        min_budget=least_samples(run, row),
        max_budget=most_samples(run, row),
        index=row.next_index,
        rewards=rewards,
    )
