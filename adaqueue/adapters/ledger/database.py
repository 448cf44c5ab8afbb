"""The connection to Postgres, its faults translated into the project's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import ProgramLimitExceeded, UndefinedColumn, UndefinedTable
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from adaqueue.errors import AdaQueueError, LedgerRefusedError, SettingsError, UnavailableError

# a process that freezes inside a transaction must not hold leases and claims for hours
SESSION = "-c idle_in_transaction_session_timeout=30s -c lock_timeout=10s"


class Database:
    """A pool of connections.

    Args:
        url: SQLAlchemy URL; only `postgresql` is served, through psycopg.

    Raises:
        SettingsError: the URL is none, or of another database.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url.replace("postgresql://", "postgresql+psycopg://", 1))
        except (ArgumentError, ValueError):
            raise SettingsError("database_url: give postgresql://user:password@host:port/database") from None
        if parsed.drivername != "postgresql+psycopg":
            raise SettingsError(f"database_url: {parsed.drivername}: only postgresql:// is served")
        self.engine = create_engine(
            parsed,
            pool_pre_ping=True,
            pool_size=4,
            connect_args={"connect_timeout": 5, "options": SESSION, "keepalives_idle": 10},
        )

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yields a connection in a transaction that commits at the end.

        Raises:
            UnavailableError: Postgres cannot be reached, or stopped in the middle.
            LedgerRefusedError: Postgres refuses the data.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except (DataError, IntegrityError) as error:
            raise LedgerRefusedError(f"Postgres: {error.orig}") from error
        except PoolTimeoutError as error:
            raise UnavailableError(f"Postgres: {error}") from error
        except DBAPIError as error:
            translated = _translated(error)
            if translated is None:
                raise
            raise translated from error

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def _translated(error: DBAPIError) -> AdaQueueError | None:
    """Returns the project's own error for what the server says; None for a fault of the SQL itself."""
    if isinstance(error.orig, ProgramLimitExceeded):
        return LedgerRefusedError(f"Postgres: {error.orig}")
    if isinstance(error.orig, UndefinedTable | UndefinedColumn):
        return UnavailableError("the ledger's schema is not up to date: `adaqueue up` migrates it")
    outages = (OperationalError, InterfaceError, InternalError)
    if isinstance(error, outages) or error.connection_invalidated:
        return UnavailableError(f"Postgres: {error.orig}")
    return None
