"""The whole system on one machine, supervised; its state, and its end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adaqueue.adapters.data_folder import hold, holder_of
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.workers import PostgresWorkers
from adaqueue.adapters.processes import ProcessSpec, stop_with_parent
from adaqueue.adapters.schema import upgrade
from adaqueue.adapters.servers import EmbeddedServers
from adaqueue.adapters.supervisor import Supervisor
from adaqueue.adapters.system_status import SystemStatus, TakenDown, read_status
from adaqueue.adapters.system_status import take_down as take_down_folder
from adaqueue.errors import UnavailableError
from adaqueue.settings import PREFIX, Settings
from adaqueue.wiring.addresses import READY, Addresses, addresses, has_own_servers

# a large model loads, or comes from the hub, for long; what crashes is noticed at once
READY_SECONDS = 3_600.0
WORKER_GRACE_SECONDS = 30.0


@dataclass(frozen=True)
class Manners:
    """How `up` behaves towards whoever started it.

    Attributes:
        parent_pid: stop when this process ends; None stays.
        on_ready: called once, when everything serves.
        on_progress: told in words what is being waited for.
    """

    parent_pid: int | None = None
    on_ready: Callable[[], None] = lambda: None
    on_progress: Callable[[str], None] = lambda _: None


def up(settings: Settings, manners: Manners) -> None:
    """Starts everything, restarts what crashes, and stops everything on SIGTERM or SIGINT.

    Raises:
        AlreadyUpError: another process holds the data folder.
        UnavailableError: something does not start; carries the end of its log.
    """
    if manners.parent_pid is not None:
        stop_with_parent(manners.parent_pid)
    with hold(settings.data_folder) as held, Supervisor(held.folder) as supervisor:
        (held.folder / READY).unlink(missing_ok=True)
        if has_own_servers(settings):
            manners.on_progress("starting Postgres and Redis")
            servers = EmbeddedServers(held.folder)
            for spec in servers.prepare():
                supervisor.start(spec)
            servers.wait_ready(supervisor)
        _start_workers(settings, held.folder, supervisor, manners)
        (held.folder / READY).touch()
        manners.on_ready()
        supervisor.watch()
        # who comes now must not take it for a system that serves
        (held.folder / READY).unlink(missing_ok=True)


def is_up(settings: Settings) -> bool:
    """Whether a system is up in the data folder, or servers are set."""
    return not has_own_servers(settings) or holder_of(settings.data_folder.expanduser().resolve()) is not None


def status(settings: Settings) -> SystemStatus:
    """Returns what runs in the data folder."""
    return read_status(settings.data_folder)


def take_down(settings: Settings) -> TakenDown:
    """Stops what runs in the data folder."""
    return take_down_folder(settings.data_folder)


def discard(folder: Path) -> None:
    """Deletes what embedded servers keep for a data folder, also outside of it; they must be stopped."""
    with hold(folder) as held:
        EmbeddedServers(held.folder).discard()


def _start_workers(settings: Settings, folder: Path, supervisor: Supervisor, manners: Manners) -> None:
    where = addresses(settings)
    database = Database(where.database_url)
    try:
        manners.on_progress("migrating the ledger")
        upgrade(database)
        workers = PostgresWorkers(database)
        start = workers.now()
        kinds = ["scheduler", "sampler", *(["features"] if settings.engine == "transformers" else [])]
        for kind in kinds:
            supervisor.start(_worker(kind, settings, folder, where))
        manners.on_progress(f"starting {', '.join(kinds)}")

        def missing() -> str:
            try:
                return ", ".join(sorted(set(kinds) - workers.kinds_since(start)))
            except UnavailableError as error:
                return str(error)

        supervisor.wait_until(missing, READY_SECONDS)
    finally:
        database.close()


def _worker(kind: str, settings: Settings, folder: Path, where: Addresses) -> ProcessSpec:
    return ProcessSpec(
        name=kind,
        argv=(sys.executable, "-m", f"workers.{kind}"),
        env={**os.environ, **environment(settings, folder), **where.environment()},
        grace_seconds=WORKER_GRACE_SECONDS,
    )


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """Returns settings as an environment for processes of the folder; URLs come with the addresses."""
    plain = {
        name: str(value)
        for name, value in settings.model_dump(mode="json").items()
        if value is not None and not name.endswith("_url")
    }
    # a core is left to the other processes: threads that spin for one were seen to cost 9/10 of the samples
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(len(os.sched_getaffinity(0)) - 1, 1))
    quiet = {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": threads}
    return (
        {f"{PREFIX}{name.upper()}": value for name, value in plain.items()}
        | quiet
        | {f"{PREFIX}DATA_FOLDER": str(folder)}
    )
