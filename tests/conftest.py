"""Real servers for all tests, a fresh database and an empty Redis for each."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from adaqueue.adapters.inbox import connect
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.schema import upgrade
from adaqueue.adapters.servers import EmbeddedServers, ServerUrls

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded data, beside the repository."""
    if not SHARED.exists():
        pytest.skip("the recorded data is not beside this repository")
    return SHARED


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerUrls]:
    """Postgres and Redis, real, for the whole session."""
    folder = tmp_path_factory.mktemp("servers") / "data"
    command = [sys.executable, "-m", "tests.embedded", str(folder), str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        embedded = EmbeddedServers(folder)
        urls = embedded.urls()
        template = Database(_database_url(urls, "adaqueue"))
        upgrade(template)
        template.close()
        yield urls
        child.terminate()
        child.wait()
        embedded.discard()


@pytest.fixture
def database_url(servers: ServerUrls) -> Iterator[str]:
    """A fresh, migrated database."""
    name = f"t{uuid.uuid4().hex}"
    with _administer(servers) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE adaqueue')
    yield _database_url(servers, name)
    with _administer(servers) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The ledger's connection to a fresh, migrated database."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def redis_client(servers: ServerUrls) -> Iterator[redis.Redis]:
    """An empty Redis."""
    client = connect(servers.redis_url)
    client.flushall()
    yield client
    client.close()


def _database_url(servers: ServerUrls, name: str) -> str:
    return servers.database_url.replace("@/adaqueue?", f"@/{name}?")


def _administer(servers: ServerUrls) -> psycopg.Connection[tuple[object, ...]]:
    url = _database_url(servers, "postgres").replace("+psycopg", "")
    return psycopg.connect(url, autocommit=True)
