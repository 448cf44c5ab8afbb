"""Allocations that a worker holds for one stage of their work: every write is fenced by the attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from adaqueue.adapters.ledger.burial import bury, bury_or_retry
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.limits import least_samples, most_samples
from adaqueue.adapters.sql import allocations, answers, attempts, queries, runs, samples, verdicts
from adaqueue.core.query import Query
from adaqueue.core.records import Claim, Closing, Sample, Verdict
from adaqueue.core.sequential import HAZARDS
from adaqueue.core.specs import Run


class PostgresClaims:
    """Claims allocations for a stage, and ends or gives up what is claimed.

    Args:
        database: the ledger's Postgres.
        worker_id: says who this worker is now, as it is known in `workers`.
        stage: `draw` or `verify`.
        most_failures: an allocation that failed as often is buried.
    """

    def __init__(
        self, database: Database, worker_id: Callable[[], UUID], *, stage: str, most_failures: int
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._stage = stage
        self._most_failures = most_failures

    def claim(self, ids: Sequence[UUID]) -> list[Claim]:
        """Takes allocations that are ready, see `ClaimLedger`."""
        with self._database.begin() as conn:
            worker_id = self._worker_id()
            rows = allocations.claim(conn, ids, worker_id, self._stage)
            claims = _load(conn, rows)
            if claims:
                attempts.begin(conn, [_attempt(claim, worker_id) for claim in claims])
        return claims

    def finish(self, closings: Sequence[Closing], settled: Sequence[Verdict]) -> None:
        """Commits verdicts and answers, see `ClaimLedger`."""
        with self._database.begin() as conn:
            held = self._held(conn, [closing.claim for closing in closings])
            kept = [closing for closing in closings if closing.claim.allocation_id in held]
            if not kept:
                return
            mine = {closing.claim.query_id for closing in kept}
            verdicts.store(conn, [verdict for verdict in settled if verdict.query_id in mine])
            answers.store(conn, [_answer(closing) for closing in kept])
            queries.close(conn, {c.claim.query_id: c.answer.outcome for c in kept if c.ends})
            queries.reopen(conn, {c.claim.query_id: c.claim.numbers.stop for c in kept if not c.ends})
            tries = {closing.claim.allocation_id: closing.claim.attempt for closing in kept}
            allocations.finish(conn, list(tries))
            attempts.end(conn, tries, "finished")

    def fail(self, claims: Sequence[Claim], reason: str, settled: Sequence[Verdict]) -> None:
        """Gives claims up after a fault, see `ClaimLedger`."""
        with self._database.begin() as conn:
            rows = allocations.lock_held(conn, {c.allocation_id: c.attempt for c in claims})
            mine = {row.query_id for row in rows}
            verdicts.store(conn, [verdict for verdict in settled if verdict.query_id in mine])
            attempts.end(conn, {row.id: row.attempt for row in rows}, "failed", reason)
            bury_or_retry(conn, rows, reason, self._most_failures)

    def hand_back(self, claims: Sequence[Claim]) -> None:
        """Gives claims up unharmed, see `ClaimLedger`."""
        with self._database.begin() as conn:
            held = self._held(conn, claims)
            tries = {c.allocation_id: c.attempt for c in claims if c.allocation_id in held}
            allocations.hand_back(conn, list(tries))
            attempts.end(conn, tries, "handed_back")

    def _held(self, conn: Connection, claims: Sequence[Claim]) -> set[UUID]:
        tries = {claim.allocation_id: claim.attempt for claim in claims}
        return {row.id for row in allocations.lock_held(conn, tries)}


def _attempt(claim: Claim, worker_id: UUID) -> dict[str, Any]:
    return {
        "allocation_id": claim.allocation_id,
        "attempt": claim.attempt,
        "worker_id": worker_id,
        "asked_samples": len(claim.units()),
    }


def _load(conn: Connection, rows: Sequence[Row[Any]]) -> list[Claim]:
    ids = [row.query_id for row in rows]
    if not ids:
        return []
    loaded = queries.load(conn, ids)
    drawn = samples.of_queries(conn, ids)
    settled = verdicts.of_queries(conn, ids)
    bounds = {row.id: row for row in queries.bounds(conn, ids)}
    run_of = runs.by_id(conn, {row.run_id for row in bounds.values()})
    unreadable = [row for row in rows if row.query_id not in loaded]
    if unreadable:
        bury(conn, unreadable, "it cannot be read back from the ledger")
    return [
        _claim(
            row,
            loaded[row.query_id],
            drawn[row.query_id],
            settled[row.query_id],
            run=run_of[bounds[row.query_id].run_id],
            bound=bounds[row.query_id],
        )
        for row in rows
        if row.query_id in loaded
    ]


def _claim(
    row: Row[Any], query: Query, drawn: list[Sample], settled: list[Verdict], *, run: Run, bound: Row[Any]
) -> Claim:
    return Claim(
        allocation_id=row.id,
        attempt=row.attempt,
        query_id=row.query_id,
        query=query,
        budget=row.budget,
        first_sample=row.first_sample,
        samples=tuple(_with_reward(sample, query) for sample in drawn),
        verdicts=tuple(settled),
        stops=row.policy in HAZARDS,
        min_budget=least_samples(run, bound),
        max_budget=most_samples(run, bound),
        prior=(row.alpha, row.beta),
        gives_way=run.gives_way,
    )


def _with_reward(sample: Sample, query: Query) -> Sample:
    if query.recording is None:
        return sample
    return replace(sample, reward=query.recording.samples[sample.number].reward)


def _answer(closing: Closing) -> dict[str, Any]:
    answer = closing.answer
    return {
        "query_id": closing.claim.query_id,
        "text": answer.text,
        "sample_number": closing.sample_number,
        "reward": answer.reward,
        "verified": answer.verified,
        "budget": answer.budget,
        "samples_used": answer.samples_used,
        "abstained": answer.abstained,
    }
