"""One database for many tests, emptied before each: for those that look at rows, not at the schema."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.servers import ServerUrls
from adaqueue.adapters.work_tables import Base


@pytest.fixture(scope="session")
def kept_database_url(servers: ServerUrls) -> str:
    """A migrated database; making one takes thirty times as long as emptying it."""
    name = f"kept{uuid.uuid4().hex}"
    admin = servers.database_url.replace("@/adaqueue?", "@/postgres?").replace("+psycopg", "")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE adaqueue')
    return servers.database_url.replace("@/adaqueue?", f"@/{name}?")


@pytest.fixture(scope="session")
def kept_database(kept_database_url: str) -> Iterator[Database]:
    database = Database(kept_database_url)
    yield database
    database.close()


@pytest.fixture
def database(kept_database: Database) -> Database:
    """The ledger's connection to an empty, migrated database."""
    with kept_database.begin() as conn:
        for table in reversed(Base.metadata.sorted_tables):
            conn.execute(table.delete())
    return kept_database
