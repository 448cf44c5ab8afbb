"""Where the servers are: as set, else embedded in the data folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adaqueue.adapters.data_folder import holder_of
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.process_identity import Identity
from adaqueue.adapters.servers import EmbeddedServers
from adaqueue.errors import SettingsError, UnavailableError
from adaqueue.settings import PREFIX, Settings

READY = "ready"


@dataclass(frozen=True)
class Addresses:
    """URLs of the servers; they carry passwords.

    Attributes:
        redis_url: for redis-py.
        broker_url: for Celery.
        database_url: for SQLAlchemy.
    """

    redis_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    database_url: str = field(repr=False)

    def environment(self) -> dict[str, str]:
        """Returns them as settings in the environment."""
        return {f"{PREFIX}{name.upper()}": getattr(self, name) for name in self.__dataclass_fields__}


def has_own_servers(settings: Settings) -> bool:
    """Whether the servers are embedded.

    Raises:
        SettingsError: only one of the two URLs is set.
    """
    given = [settings.redis_url is not None, settings.database_url is not None]
    if any(given) and not all(given):
        raise SettingsError("redis_url and database_url: only one is set: set both, or neither")
    return not any(given)


def addresses(settings: Settings) -> Addresses:
    """Returns where the servers are.

    Raises:
        UnavailableError: the servers are embedded, and were never started.
    """
    if settings.redis_url is None or settings.database_url is None:
        embedded = EmbeddedServers(settings.data_folder.expanduser().resolve()).urls()
        return Addresses(embedded.redis_url, embedded.broker_url, embedded.database_url)
    redis_url = settings.redis_url.get_secret_value()
    broker = settings.broker_url.get_secret_value() if settings.broker_url else _broker(redis_url)
    return Addresses(redis_url, broker, settings.database_url.get_secret_value())


def check_up(settings: Settings) -> None:
    """Refuses a data folder in which no system is up, or none that is ready.

    Raises:
        UnavailableError: says what to do.
    """
    folder = settings.data_folder.expanduser().resolve()
    holder = holder_of(folder)
    if holder is None:
        raise UnavailableError(
            f"no system is up in {folder}: start one with `adaqueue up`, "
            f"or set {PREFIX}REDIS_URL and {PREFIX}DATABASE_URL"
        )
    if not _is_ready(folder, holder):
        raise UnavailableError(f"the system in {folder} is starting or stopping: try again in a moment")


@contextmanager
def ledger(settings: Settings) -> Iterator[Database]:
    """Yields the ledger of a system that is up.

    Raises:
        UnavailableError: none is up, or its ledger cannot be reached.
    """
    if has_own_servers(settings):
        check_up(settings)
    with closing(Database(addresses(settings).database_url)) as database:
        yield database


def mark_ready(folder: Path) -> None:
    """Notes that the system that holds the folder serves; what a killed one noted is not said of the next."""
    (folder / READY).write_text(str(holder_of(folder)))


def _is_ready(folder: Path, holder: Identity) -> bool:
    try:
        return (folder / READY).read_text() == str(holder)
    except FileNotFoundError:
        return False


def _broker(redis_url: str) -> str:
    """Celery's form of a redis-py URL; they differ for Unix sockets only."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return redis_url.replace("unix://", "redis+socket://", 1).replace("db=", "virtual_host=", 1)
