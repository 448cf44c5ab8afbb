"""The ledger's outcomes, to be written to a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.exports import PostgresExports, RunOutcomes
from adaqueue.settings import Settings
from adaqueue.wiring.addresses import addresses, check_up, has_own_servers

__all__ = ["PostgresExports", "RunOutcomes", "exports"]


@contextmanager
def exports(settings: Settings) -> Iterator[PostgresExports]:
    """Yields the reader of the ledger's outcomes.

    Raises:
        UnavailableError: no system is up, or the ledger cannot be reached.
    """
    if has_own_servers(settings):
        check_up(settings)
    database = Database(addresses(settings).database_url)
    try:
        yield PostgresExports(database)
    finally:
        database.close()
