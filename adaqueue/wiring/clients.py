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
from adaqueue.adapters.ledger.verifying import PostgresAudits
from adaqueue.adapters.ledger.workers import PostgresWorkers
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.core.rule import Rule
from adaqueue.core.specs import Run
from adaqueue.core.trust import Rates
from adaqueue.errors import SettingsError, UnavailableError
from adaqueue.ports import Probe
from adaqueue.settings import Settings, load_settings
from adaqueue.wiring.addresses import addresses, check_up, has_own_servers, ledger

# a worker that is being started again is missed for less
SAMPLER_SECONDS = 120.0


@dataclass(frozen=True)
class ClientServices:
    """What a client works with.

    Attributes:
        settings: as loaded.
        inbox: admits queries.
        ingest: takes queries straight into the ledger where Redis is out of reach.
        results: opens runs and says what became of queries.
        reward_model: by which chat is scored; None where nobody scores it.
        admit_batch: queries of one admission at most.
    """

    settings: Settings
    inbox: RedisInbox
    ingest: PostgresIngestLedger
    results: PostgresResults
    database: Database
    reward_model: str | None
    admit_batch: int = ADMIT_BATCH

    def new_run(self, name: str | None, *, is_batch: bool) -> Run:
        """Returns a run with these settings, not yet opened."""
        key = uuid7()
        engine = self.settings.engine
        return Run(
            id=key,
            name=name or str(key),
            engine=engine,
            decoder=engine if engine == "replay" else self.settings.model,
            policy=self.settings.policy,
            average_budget=self.settings.average_budget,
            b_max=self.settings.b_max,
            has_features=engine != "replay",
            is_batch=is_batch,
        )

    def rule(self, domain: str) -> Rule | None:
        """Returns the rule by which the probe in use orders sequential buying; None if there is none."""
        return ProbeRegistry(self.database, _no_weights).rule(self.settings.model, domain)

    def close(self) -> None:
        """Closes connections."""
        self.inbox.close()
        self.database.close()


def _no_weights(weights: bytes, sha256: str) -> Probe:
    raise NotImplementedError("a client predicts nothing")


def audited(settings: Settings) -> dict[tuple[str, str], Rates]:
    """Returns error rates by (verifier, verifier taken for the truth), from the ledger.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    with ledger(settings) as database:
        return PostgresAudits(database).rates()


def client_services(config: Path | None, given: Mapping[str, Any]) -> ClientServices:
    """Returns what a client needs.

    Engine and model are those that a sampler serves, unless given.

    Raises:
        SettingsError: a setting is unknown or out of range, or no sampler serves the engine or model.
        UnavailableError: no system is up, or the servers cannot be reached.
    """
    settings = load_settings(config, **given)
    if has_own_servers(settings):
        check_up(settings)
    where = addresses(settings)
    database = Database(where.database_url)
    workers = PostgresWorkers(database)
    settings = _as_served(workers, config, given)
    return ClientServices(
        settings=settings,
        inbox=RedisInbox(connect(where.redis_url), capacity=settings.inbox_capacity),
        ingest=PostgresIngestLedger(database),
        results=PostgresResults(database),
        database=database,
        reward_model=workers.reward_model(SAMPLER_SECONDS),
    )


def _as_served(workers: PostgresWorkers, config: Path | None, given: Mapping[str, Any]) -> Settings:
    """Returns settings for what a sampler serves; any sampler serves `replay` too."""
    served = workers.served(SAMPLER_SECONDS)
    if served is None:
        raise UnavailableError("no sampler is up on these servers: start one with `adaqueue up`")
    engine, model = served
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = load_settings(config, **{"engine": engine, "model": model, **chosen})
    if settings.engine not in (engine, "replay"):
        raise SettingsError(f"engine: {settings.engine!r}: the samplers that are up serve {engine}")
    if settings.engine == engine != "replay" and settings.model != model:
        raise SettingsError(f"model: {settings.model!r}: the samplers that are up serve {model}")
    return settings
