"""The verifier's side of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from adaqueue.adapters.ledger.claims import PostgresClaims
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import audits
from adaqueue.core.trust import Audit, Rates, rates


class PostgresVerifyingLedger(PostgresClaims):
    """Claims allocations whose samples are drawn, and commits what is said of them.

    Args:
        database: the ledger's Postgres.
        worker_id: says who this verifier is now, as it is known in `workers`.
        most_failures: an allocation that failed as often is buried.
    """

    def __init__(self, database: Database, worker_id: Callable[[], UUID], *, most_failures: int) -> None:
        super().__init__(database, worker_id, stage="verify", most_failures=most_failures)

    def audit(self, found: Sequence[Audit]) -> None:
        """Commits audits, see `VerifyingLedger`."""
        with self._database.begin() as conn:
            audits.store(conn, found)


class PostgresAudits:
    """What audits have shown so far.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def rates(self) -> dict[tuple[str, str], Rates]:
        """Returns error rates by (who, taking whom for the truth), both ways for each audited pair."""
        found: dict[tuple[str, str], Rates] = {}
        with self._database.begin() as conn:
            for row in audits.counts(conn):
                alone, other = row.source_alone, row.auditor_alone
                found[row.source, row.auditor] = rates(row.both, alone, other, row.neither)
                if row.source != row.auditor:
                    found[row.auditor, row.source] = rates(row.both, other, alone, row.neither)
        return found
