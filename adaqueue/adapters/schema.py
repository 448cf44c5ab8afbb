"""Brings the ledger's schema up to date."""

from __future__ import annotations

from importlib import resources

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from adaqueue.adapters.ledger.database import Database
from adaqueue.errors import SettingsError

# any number: all that migrate must agree on it
MIGRATION_LOCK = 4_107_041


def alembic_config(connection: Connection) -> Config:
    """Returns alembic's configuration for one open connection."""
    config = Config()
    config.set_main_option("script_location", str(resources.files("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def lock(conn: Connection) -> None:
    """Waits until nobody else migrates; until the transaction ends, nobody else does."""
    conn.execute(text("SET LOCAL lock_timeout = 0"))
    conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})


def is_current(database: Database) -> bool:
    """Whether nothing is left to migrate."""
    with database.begin() as conn:
        found = MigrationContext.configure(conn).get_current_revision()
        return found == ScriptDirectory.from_config(alembic_config(conn)).get_current_head()


def upgrade(database: Database) -> None:
    """Migrates to the newest version; who comes second waits, then finds nothing left to do.

    Raises:
        SettingsError: a newer adaqueue has migrated the database.
    """
    with database.begin() as conn:
        lock(conn)
        try:
            command.upgrade(alembic_config(conn), "head")
        except CommandError as error:
            raise SettingsError(f"the ledger's schema: {error}: install the adaqueue that made it") from error
