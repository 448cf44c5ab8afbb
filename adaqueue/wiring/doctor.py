"""What this machine can do for adaqueue, each finding with its remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from adaqueue.adapters.code_isolation import REMEDIES, isolation
from adaqueue.adapters.data_folder import holder_of
from adaqueue.adapters.inbox import connect
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.schema import is_current
from adaqueue.adapters.vllm_installation import remedy as vllm_remedy
from adaqueue.errors import AdaQueueError
from adaqueue.settings import Settings
from adaqueue.wiring.addresses import addresses, has_own_servers


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Attributes:
        subject: the thing.
        good: nothing needs doing.
        says: what was found.
        remedy: what to do; empty where nothing needs doing.
    """

    subject: str
    good: bool
    says: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Returns what was found, in the order of a query's life."""
    return [*_servers(settings), _engine(settings), _vllm(settings), _gpu(), _isolation()]


def _servers(settings: Settings) -> Iterator[Finding]:
    if has_own_servers(settings) and holder_of(settings.data_folder.expanduser().resolve()) is None:
        yield Finding("redis", True, "embedded: appendonly everysec, noeviction; not up now")
        yield Finding("postgres", True, "embedded: fsync on; not up now")
        return
    try:
        where = addresses(settings)
    except AdaQueueError as error:
        yield Finding("servers", False, str(error), "start them with `adaqueue up`")
        return
    yield _redis(where.redis_url)
    yield _postgres(where.database_url)


def _redis(url: str) -> Finding:
    client = connect(url)
    try:
        found: Any = {name: client.config_get(name) for name in ("appendonly", "maxmemory-policy")}
    except redis.ResponseError:
        return Finding("redis", True, "answers; its configuration may not be read, so durability is unknown")
    except redis.RedisError as error:
        return Finding("redis", False, f"does not answer: {error}", "check ADAQUEUE_REDIS_URL")
    finally:
        client.close()
    settings = {name: value for said in found.values() for name, value in said.items()}
    if settings == {"appendonly": "yes", "maxmemory-policy": "noeviction"}:
        return Finding("redis", True, "keeps what it accepted: appendonly yes, noeviction")
    says = ", ".join(f"{name} {value}" for name, value in settings.items())
    return Finding("redis", False, says, "set appendonly yes and maxmemory-policy noeviction")


def _postgres(url: str) -> Finding:
    database = Database(url)
    try:
        current = is_current(database)
    except AdaQueueError as error:
        return Finding("postgres", False, f"does not answer: {error}", "check ADAQUEUE_DATABASE_URL")
    finally:
        database.close()
    if current:
        return Finding("postgres", True, "answers, the ledger's schema is up to date")
    remedy = "`adaqueue up` migrates it, or `python -m alembic upgrade head`"
    return Finding("postgres", False, "the ledger's schema is not up to date", remedy)


def _engine(settings: Settings) -> Finding:
    chosen = f"{settings.model} drawn by {settings.engine}, features by {settings.features or 'default'}"
    return Finding("engine", True, chosen)


def _vllm(settings: Settings) -> Finding:
    remedy = vllm_remedy()
    if remedy is None:
        return Finding("vllm", True, "installed")
    needed = "vllm" in (settings.engine, settings.features) and settings.engine_url is None
    fault, _, words = remedy.partition(": ")
    return Finding("vllm", not needed, f"{fault}{'' if needed else ' (not needed by these settings)'}", words)


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("gpu", True, torch.cuda.get_device_name())
    return Finding(
        "gpu", True, f"none that torch can use; models run on {len(os.sched_getaffinity(0))} cores"
    )


def _isolation() -> Finding:
    found = isolation()
    refused = "".join(f"; {reason}" for reason in found.refused)
    if found.tier == "A":
        return Finding("isolation", True, "programs run on a machine of their own and confined (tier A)")
    if found.tier == "B":
        return Finding("isolation", True, f"programs run confined (tier B){refused}")
    return Finding("isolation", False, f"programs are not run: nothing isolates them{refused}", REMEDIES["B"])
