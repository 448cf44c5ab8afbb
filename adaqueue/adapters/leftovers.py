"""Ends what a supervisor that died without warning left running."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from adaqueue.adapters.process_identity import Identity, boot_id, processes_with_environment
from adaqueue.adapters.process_roster import MARK, ProcessRecord, read_roster
from adaqueue.errors import UnavailableError

_HARD_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.02
_logger = logging.getLogger(__name__)


def clear_leftovers(folder: Path) -> tuple[str, ...]:
    """Ends every process that the folder's last supervisor started, politely first; waits until it is gone.

    A pid that now belongs to another process is left alone. Call it only while holding the folder.

    Returns:
        The names of the processes that were still running.

    Raises:
        UnavailableError: one of them cannot be ended.
    """
    roster = read_roster(folder)
    if roster is None or roster.boot != boot_id():
        return ()
    ended: tuple[str, ...] = ()
    for foundation in (False, True):
        batch = [record for record in reversed(roster.processes) if record.foundation is foundation]
        ended += _end(roster.mark, batch)
    return ended


def end_descendants(mark: str, names: set[str] | None = None) -> tuple[str, ...]:
    """Ends, at once, every process that carries the mark, wherever it moved itself.

    Args:
        mark: of the supervisor that started its ancestor.
        names: only descendants of these; None means all.

    Returns:
        The names of the supervised processes they descend from.

    Raises:
        UnavailableError: one of them cannot be ended.
    """
    ended: dict[Identity, str] = {}
    # a second look finds what was forked while the first one killed
    while found := _descendants(mark, names).items() - ended.items():
        for identity, name in found:
            _signal(identity, signal.SIGKILL)
            ended[identity] = name
    _wait_until_surely_gone(ended)
    return tuple(dict.fromkeys(ended.values()))


def _end(mark: str, batch: list[ProcessRecord]) -> tuple[str, ...]:
    """Ends a batch together: politely, then by process group, then descendants by their mark."""
    leaders = {
        identity: record
        for record in batch
        if (identity := record.identity()) is not None and identity.is_alive()
    }
    for leader, record in leaders.items():
        _logger.warning("ending %s (pid %d), left over by a supervisor that died", record.name, leader.pid)
        _signal(leader, record.stop_signal)
    grace_seconds = max((record.grace_seconds for record in leaders.values()), default=0.0)
    for leader in _wait_until_gone(leaders, grace_seconds):
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)
    _wait_until_surely_gone(leaders)
    names = [record.name for record in leaders.values()]
    return tuple(dict.fromkeys([*names, *end_descendants(mark, {record.name for record in batch})]))


def _descendants(mark: str, names: set[str] | None) -> dict[Identity, str]:
    marked = processes_with_environment(f"{MARK}={mark}:")
    return {identity: name for identity, name in marked if names is None or name in names}


def _signal(identity: Identity, number: int) -> None:
    try:
        os.kill(identity.pid, number)
    except ProcessLookupError:
        return  # it ended in the meantime, which is what is wanted
    except PermissionError as error:
        message = (
            f"process {identity.pid} is left over and belongs to another user: end it, or run as that user"
        )
        raise UnavailableError(message) from error


def _wait_until_gone(identities: Iterable[Identity], timeout_seconds: float) -> list[Identity]:
    """Returns those that still run after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    alive = [identity for identity in identities if identity.is_alive()]
    while alive and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        alive = [identity for identity in alive if identity.is_alive()]
    return alive


def _wait_until_surely_gone(identities: Iterable[Identity]) -> None:
    if stubborn := _wait_until_gone(identities, _HARD_STOP_SECONDS):
        pids = ", ".join(str(identity.pid) for identity in stubborn)
        raise UnavailableError(f"left-over processes cannot be ended: pid {pids}; end them by hand")
