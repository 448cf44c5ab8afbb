"""Plants on the real servers; nobody waits for an empty inbox here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from adaqueue.adapters.ledger.database import Database
from tests import kept
from tests.flows.plant import Plant

kept_database_url, kept_database, database = kept.kept_database_url, kept.kept_database, kept.database


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adaqueue.flows.ingest.WAIT_SECONDS", 0.0)


@pytest.fixture
def build(database: Database, redis_client: redis.Redis) -> Callable[..., Plant]:
    """Builds plants, each with a run of its own, on the same servers, from the run's fields."""
    return lambda name, **run: Plant.build(database, redis_client, name=name, **run)


@pytest.fixture
def plant(build: Callable[..., Plant]) -> Plant:
    return build("run")
