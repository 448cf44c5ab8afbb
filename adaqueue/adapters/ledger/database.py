"""The connection to Postgres, its faults translated into the project's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import ProgramLimitExceeded
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError

from adaqueue.errors import LedgerRefusedError, SettingsError, UnavailableError


class Database:
    """A pool of connections.

    Args:
        url: SQLAlchemy URL; only `postgresql` is served.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith("postgresql"):
            raise SettingsError("database_url: only postgresql:// URLs are served")
        self.engine = create_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_pre_ping=True,
            pool_size=4,
            connect_args={"connect_timeout": 5},
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
        except (OperationalError, InterfaceError) as error:
            if isinstance(error.orig, ProgramLimitExceeded):
                raise LedgerRefusedError(f"Postgres: {error.orig}") from error
            raise UnavailableError(f"Postgres: {error.orig}") from error
        except (DataError, IntegrityError) as error:
            raise LedgerRefusedError(f"Postgres: {error.orig}") from error

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()
