"""Tells alembic which database to migrate and what the tables should be."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection, create_engine

from adaqueue.adapters.schema import lock
from adaqueue.adapters.work_tables import Base


def migrate(connection: Connection) -> None:
    """Runs migrations in one transaction, on a connection of the caller's."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    url = os.environ.get("ADAQUEUE_DATABASE_URL")
    if not url:
        raise SystemExit("set ADAQUEUE_DATABASE_URL to the database to migrate")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        lock(connection)
        migrate(connection)
