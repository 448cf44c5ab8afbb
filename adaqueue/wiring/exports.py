"""The ledger's outcomes, to be written to a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from adaqueue.adapters.ledger.exports import PostgresExports, RunOutcomes
from adaqueue.settings import Settings
from adaqueue.wiring.addresses import ledger

__all__ = ["PostgresExports", "RunOutcomes", "exports"]


@contextmanager
def exports(settings: Settings) -> Iterator[PostgresExports]:
    """Yields the reader of the ledger's outcomes.

    Raises:
        UnavailableError: no system is up, or the ledger cannot be reached.
    """
    with ledger(settings) as database:
        yield PostgresExports(database)
