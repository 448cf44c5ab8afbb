"""Tells what runs in a data folder, and takes it down from outside."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from adaqueue.adapters.data_folder import hold, holder_of
from adaqueue.adapters.process_identity import Identity, boot_id
from adaqueue.adapters.process_roster import ProcessRecord, State, read_roster
from adaqueue.errors import UnavailableError

_HARD_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ProcessStatus:
    """One process of the system.

    Attributes:
        name: its name.
        state: running, restarting (waits for its next start), stopped, finished (a one-shot that succeeded).
        pid: None unless it runs.
        uptime_seconds: None unless it runs.
        restarts: how often it was started again after a crash.
        last_exit: how it last ended, in words; empty while it never did.
        log: path of its log.
    """

    name: str
    state: State
    pid: int | None
    uptime_seconds: float | None
    restarts: int
    last_exit: str
    log: Path


@dataclass(frozen=True)
class SystemStatus:
    """What runs in a data folder.

    Attributes:
        folder: the data folder.
        supervisor_pid: None if nothing supervises the folder; processes that run then are leftovers.
        processes: in order of start; empty if nothing was ever started.
    """

    folder: Path
    supervisor_pid: int | None
    processes: tuple[ProcessStatus, ...]


@dataclass(frozen=True)
class TakenDown:
    """What `take_down` did.

    Attributes:
        supervisor_pid: the supervisor that was stopped; None if none was alive.
        leftovers: names of the processes that had outlived their supervisor and were ended.
    """

    supervisor_pid: int | None
    leftovers: tuple[str, ...]

    def __str__(self) -> str:
        """Returns it in words."""
        if self.supervisor_pid is not None:
            return f"stopped (supervisor pid {self.supervisor_pid})"
        if self.leftovers:
            return f"the supervisor was dead; ended what it left running: {', '.join(self.leftovers)}"
        return "nothing was up"


def read_status(data_folder: Path) -> SystemStatus:
    """Returns what runs in the folder; changes nothing.

    Raises:
        UnavailableError: the folder may not be read by this user.
    """
    folder = data_folder.expanduser().resolve()
    holder = holder_of(folder)
    try:
        roster = read_roster(folder)
    except PermissionError as error:
        raise UnavailableError(f"{folder} belongs to another user: run as that user") from error
    if roster is None:
        return SystemStatus(folder, None if holder is None else holder.pid, ())
    this_boot = roster.boot == boot_id()
    processes = tuple(_status_of(record, this_boot, holder is not None) for record in roster.processes)
    return SystemStatus(folder, None if holder is None else holder.pid, processes)


def take_down(data_folder: Path, timeout_seconds: float = 120.0) -> TakenDown:
    """Stops whatever runs in the folder and waits until it is gone; harmless if nothing does.

    Args:
        data_folder: the data folder.
        timeout_seconds: time for a clean stop; then the supervisor is told to stop hard.

    Raises:
        UnavailableError: it belongs to another user or container, or does not end.
    """
    folder = data_folder.expanduser().resolve()
    holder = holder_of(folder)
    if holder is None:
        if not (folder / "lock").exists():
            return TakenDown(None, ())
        with hold(folder) as held:
            return TakenDown(None, held.leftovers)
    for patience_seconds in (timeout_seconds, _HARD_STOP_SECONDS):
        _ask_to_stop(holder)
        if _is_free(folder, holder, patience_seconds):
            return TakenDown(holder.pid, ())
    raise UnavailableError(
        f"the supervisor (pid {holder.pid}) does not end: `kill -9 {holder.pid}`, then again"
    )


def _status_of(record: ProcessRecord, this_boot: bool, supervised: bool) -> ProcessStatus:
    identity = record.identity()
    alive = identity is not None and this_boot and identity.is_alive()
    state = record.state
    if alive:
        state = "running"
    elif state != "finished":
        state = "restarting" if supervised and state != "stopped" else "stopped"
    return ProcessStatus(
        name=record.name,
        state=state,
        pid=identity.pid if alive and identity is not None else None,
        uptime_seconds=identity.uptime_seconds() if alive and identity is not None else None,
        restarts=record.restarts,
        last_exit=record.last_exit,
        log=Path(record.log),
    )


def _ask_to_stop(holder: Identity) -> None:
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        return  # it has just ended by itself
    except PermissionError as error:
        raise UnavailableError(f"process {holder.pid} belongs to another user: run as that user") from error


def _is_free(folder: Path, holder: Identity, timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while holder.is_alive() and holder_of(folder) == holder:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
