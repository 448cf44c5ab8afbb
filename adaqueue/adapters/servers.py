"""The embedded servers: a real Redis and a real Postgres in a data folder, started as supervised children."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg
import redis

from adaqueue.adapters import embedded_postgres, embedded_redis
from adaqueue.adapters.processes import ProcessSpec
from adaqueue.adapters.server_home import OUTSIDE, ServerHome, discard_home, find_home, make_home
from adaqueue.adapters.server_programs import postgres_programs, redis_server
from adaqueue.adapters.supervisor import Supervisor
from adaqueue.errors import UnavailableError

_PASSWORDS = "passwords.json"


@dataclass(frozen=True)
class ServerUrls:
    """Addresses of the embedded servers, with passwords: for environments, not for arguments or logs.

    Attributes:
        redis_url: for redis-py.
        broker_url: for Celery and kombu.
        database_url: for SQLAlchemy.
    """

    redis_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    database_url: str = field(repr=False)


@dataclass(frozen=True)
class _Passwords:
    redis: str = field(repr=False)
    postgres: str = field(repr=False)


class EmbeddedServers:
    """Redis and Postgres of one data folder.

    Args:
        folder: the data folder's resolved path.
        outside: where root's servers live whose user cannot enter the data folder.
    """

    def __init__(self, folder: Path, outside: Path = OUTSIDE) -> None:
        self._folder = folder
        self._outside = outside

    def prepare(self) -> tuple[ProcessSpec, ...]:
        """Makes what is missing, once, and returns what to start; call it while holding the folder.

        Raises:
            UnavailableError: the servers cannot run here; says what would help.
        """
        home = make_home(self._folder, self._outside)
        home.make_sockets_folder()
        passwords = self._make_passwords(home)
        logs = self._folder / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        programs = postgres_programs(home.account, embedded_postgres.data_version(home), self._outside)
        server = redis_server(home.account, self._outside)
        return (
            embedded_redis.prepare_redis(home, server, passwords.redis),
            embedded_postgres.prepare_postgres(home, programs, passwords.postgres, logs / "initdb.log"),
        )

    def urls(self) -> ServerUrls:
        """Returns the addresses; any process that may read the data folder can ask.

        Raises:
            UnavailableError: the servers were never prepared, or belong to another user.
        """
        home = find_home(self._folder)
        passwords = self._read_passwords()
        if home is None or passwords is None:
            raise UnavailableError(
                f"no servers were ever started in {self._folder}: `adaqueue up` starts them"
            )
        home.check_sockets_folder()
        return ServerUrls(
            redis_url=embedded_redis.redis_url(home, passwords.redis),
            broker_url=embedded_redis.broker_url(home, passwords.redis),
            database_url=embedded_postgres.database_url(home, passwords.postgres),
        )

    def missing(self) -> str:
        """Returns which servers do not answer yet, and why; empty when both do."""
        urls = self.urls()
        reasons = {"redis": _why_no_redis(urls.redis_url), "postgres": _why_no_postgres(urls.database_url)}
        return "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason)

    def wait_ready(self, supervisor: Supervisor, timeout_seconds: float = 60.0) -> None:
        """Waits until both servers answer.

        Raises:
            StopRequested: a signal arrived.
            UnavailableError: they do not answer in time, or crash; carries the end of their log.
        """
        supervisor.wait_until(self.missing, timeout_seconds)

    def discard(self) -> None:
        """Deletes what the servers keep, also outside of the data folder; call it when they are stopped."""
        discard_home(self._folder)

    def _make_passwords(self, home: ServerHome) -> _Passwords:
        passwords = self._read_passwords()
        if passwords is not None:
            return passwords
        path = self._folder / _PASSWORDS
        if embedded_postgres.data_version(home):
            raise UnavailableError(
                f"{path} is missing, but its database exists: restore it, or use another data folder"
            )
        passwords = _Passwords(redis=secrets.token_hex(24), postgres=secrets.token_hex(24))
        new = path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(passwords), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        return passwords

    def _read_passwords(self) -> _Passwords | None:
        try:
            return _Passwords(**json.loads((self._folder / _PASSWORDS).read_text()))
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise UnavailableError(f"{self._folder} belongs to another user: run as that user") from error


def _why_no_redis(url: str) -> str:
    with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            return str(error)
    return ""


def _why_no_postgres(url: str) -> str:
    try:
        with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        return str(error).strip()
    return ""
