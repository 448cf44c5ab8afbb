"""What a client needs, built from settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uuid_utils.compat import uuid7

from adaqueue.adapters.inbox import ADMIT_BATCH, RedisInbox, connect
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.ingest import PostgresIngestLedger
from adaqueue.adapters.ledger.results import PostgresResults
from adaqueue.core.records import Run
from adaqueue.errors import SettingsError
from adaqueue.settings import Settings, load_settings
from adaqueue.wiring.addresses import addresses, facts, has_own_servers


@dataclass(frozen=True)
class ClientServices:
    """What a client works with.

    Attributes:
        settings: as loaded.
        inbox: admits queries.
        ingest: takes queries straight into the ledger where Redis is out of reach.
        results: opens runs and says what became of queries.
        admit_batch: queries of one admission at most.
    """

    settings: Settings
    inbox: RedisInbox
    ingest: PostgresIngestLedger
    results: PostgresResults
    database: Database
    admit_batch: int = ADMIT_BATCH

    def new_run(self, name: str | None) -> Run:
        """Returns a run with these settings, not yet opened."""
        key = uuid7()
        engine = self.settings.engine
        return Run(
            id=key,
            name=name or str(key),
            engine=engine,
            decoder=self.settings.model if engine == "transformers" else engine,
            policy=self.settings.policy,
            average_budget=self.settings.average_budget,
            b_max=self.settings.b_max,
            has_features=engine == "transformers",
        )

    def close(self) -> None:
        """Closes connections."""
        self.inbox.close()
        self.database.close()


def client_services(config: Path | None, given: Mapping[str, Any]) -> ClientServices:
    """Returns what a client needs.

    Engine and model are those of the system that is up in the data folder, unless given.

    Raises:
        SettingsError: a setting is unknown or out of range, or the system serves another engine.
        UnavailableError: no system is up in the data folder, and no URLs are set.
    """
    settings = load_settings(config, **given)
    if has_own_servers(settings):
        served = facts(settings)
        settings = load_settings(config, **{**served, **given})
        if settings.engine == "transformers" and served["engine"] != "transformers":
            raise SettingsError(
                f"engine: 'transformers': the system in {settings.data_folder} serves {served['engine']} only"
            )
    where = addresses(settings)
    database = Database(where.database_url)
    return ClientServices(
        settings=settings,
        inbox=RedisInbox(connect(where.redis_url), capacity=settings.inbox_capacity),
        ingest=PostgresIngestLedger(database),
        results=PostgresResults(database),
        database=database,
    )
