"""The whole system on one machine, supervised; its state, and its end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adaqueue.adapters.data_folder import hold, holder_of
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.workers import PostgresWorkers
from adaqueue.adapters.processes import stop_with_parent
from adaqueue.adapters.schema import upgrade
from adaqueue.adapters.servers import EmbeddedServers
from adaqueue.adapters.supervisor import Supervisor
from adaqueue.adapters.system_status import SystemStatus, TakenDown, read_status
from adaqueue.adapters.system_status import take_down as take_down_folder
from adaqueue.errors import UnavailableError
from adaqueue.settings import Settings
from adaqueue.wiring.addresses import READY, addresses, has_own_servers, mark_ready
from adaqueue.wiring.machine import processes, reports
from adaqueue.wiring.verifiers import own_sandboxes_folder, sandboxes_folder

# a large model loads, or comes from the hub, for long; what crashes is noticed at once
READY_SECONDS = 3_600.0


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
        mark_ready(held.folder)
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
    """Deletes what servers and sandboxes keep for a data folder, also outside of it; they must be stopped."""
    with hold(folder) as held:
        EmbeddedServers(held.folder).discard()
        shutil.rmtree(own_sandboxes_folder(held.folder), ignore_errors=True)


def _start_workers(settings: Settings, folder: Path, supervisor: Supervisor, manners: Manners) -> None:
    where = addresses(settings)
    database = Database(where.database_url)
    sockets = _clear_sandboxes(settings)
    try:
        manners.on_progress("migrating the ledger")
        upgrade(database)
        workers = PostgresWorkers(database)
        start = workers.now()
        specs = processes(settings, folder, where)
        for spec in specs:
            supervisor.start(spec)
        manners.on_progress(f"starting {', '.join(spec.name for spec in specs)}")

        def missing() -> str:
            try:
                heard = workers.pids_since(start)
            except UnavailableError as error:
                return str(error)
            silent = [name for name, pid in supervisor.pids().items() if reports(name) and pid not in heard]
            deaf = settings.sandboxes - len(list(sockets.glob("*.sock")))
            return ", ".join([*silent, *([f"{deaf} sandboxes"] if deaf > 0 else [])])

        supervisor.wait_until(missing, READY_SECONDS)
    finally:
        database.close()


def _clear_sandboxes(settings: Settings) -> Path:
    """Returns the folder of the sandboxes' sockets, private and without those of processes long gone."""
    sockets = sandboxes_folder(settings)
    sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.sandboxes_folder is None:
        for left in sockets.glob("*.sock"):
            left.unlink()
    return sockets
