"""The reaper's side of the ledger."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from adaqueue.adapters.ledger.burial import bury_or_retry
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import allocations, attempts, queries, samples, workers

FEATURES_QUEUE = "features"


class PostgresReaperLedger:
    """Returns what dead workers held.

    Args:
        database: the ledger's Postgres.
        worker_seconds: a worker not heard of for so long counts as dead.
        ring_seconds: a doorbell that nobody answered is rung again after so long.
        most_failures: an allocation that failed as often is buried.
        max_tokens: generated tokens of a sample at most; bounds what a dead worker wasted.
    """

    def __init__(
        self,
        database: Database,
        *,
        worker_seconds: float,
        ring_seconds: float,
        most_failures: int,
        max_tokens: int,
    ) -> None:
        self._database = database
        self._worker_seconds = worker_seconds
        self._ring_seconds = ring_seconds
        self._most_failures = most_failures
        self._max_tokens = max_tokens

    def return_orphans(self) -> int:
        """Makes ready what dead workers held, see `ReaperLedger`."""
        reason = "its worker died"
        with self._database.begin() as conn:
            rows = allocations.lock_orphaned(conn, self._worker_seconds)
            if not rows:
                return 0
            committed = samples.count_by_attempt(conn, [row.id for row in rows])
            drawn_before: dict[UUID, int] = defaultdict(int)
            for (allocation_id, _), count in committed.items():
                drawn_before[allocation_id] += count
            for row in rows:
                lost = row.budget - drawn_before[row.id]
                attempts.waste_at_most(conn, row.id, row.attempt, lost, lost * self._max_tokens)
            attempts.end(conn, {row.id: row.attempt for row in rows}, "lost", reason)
            bury_or_retry(conn, rows, reason, self._most_failures)
        return len(rows)

    def overdue(self) -> dict[tuple[str, bool], list[UUID]]:
        """Returns ids whose doorbell is overdue, see `ReaperLedger`."""
        due: dict[tuple[str, bool], list[UUID]] = defaultdict(list)
        with self._database.begin() as conn:
            for row in allocations.to_ring(conn, self._ring_seconds):
                due[row.queue, row.failures > 0].append(row.id)
            again, given_up = queries.stalled_features(conn, self._ring_seconds, self._most_failures)
            if not workers.is_heard(conn, FEATURES_QUEUE, self._worker_seconds):
                given_up += queries.waiting_for_features(conn, self._ring_seconds * self._most_failures)
            queries.to_window(conn, given_up)
        for query_id, tried in again.items():
            due[FEATURES_QUEUE, tried > 0].append(query_id)
        return due
