"""The file `processes.json` in a data folder: what was started there, for status and for cleaning up."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from adaqueue.adapters.process_identity import Identity, boot_id

State = Literal["running", "restarting", "stopped", "finished"]
# not ADAQUEUE_*, which are settings
MARK = "SUPERVISED_BY_ADAQUEUE"

_FILE = "processes.json"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProcessRecord:
    """One supervised process as it was last seen.

    Attributes:
        name: its name in the data folder.
        pid: of the last start; None if it never started.
        start_time: the kernel's, in clock ticks since boot; makes the pid unmistakable.
        started: UTC time of the last start, ISO 8601.
        restarts: how often it was started again after a crash.
        state: what the supervisor knew last.
        last_exit: how it last ended, in words; empty while it never did.
        log: path of its log file.
        stop_signal: number of the signal that asks for a clean stop.
        grace_seconds: time for a clean stop.
        foundation: stopped only after all others.
    """

    name: str
    pid: int | None
    start_time: int | None
    started: str
    restarts: int
    state: State
    last_exit: str
    log: str
    stop_signal: int
    grace_seconds: float
    foundation: bool

    def identity(self) -> Identity | None:
        """Returns which process it was; None if it never started."""
        if self.pid is None or self.start_time is None:
            return None
        return Identity(self.pid, self.start_time)


@dataclass(frozen=True)
class Roster:
    """All processes of one supervisor.

    Attributes:
        mark: random; every process it started, and its descendants, has `MARK=mark:name` in its environment.
        boot: the boot in which the pids mean something.
        processes: in order of start.
    """

    mark: str
    boot: str
    processes: tuple[ProcessRecord, ...]


def write_roster(folder: Path, mark: str, processes: Iterable[ProcessRecord]) -> None:
    """Replaces the file in one step, so that a reader sees the old or the new, never a part."""
    document = {"mark": mark, "boot": boot_id(), "processes": {p.name: asdict(p) for p in processes}}
    new = folder / f"{_FILE}.new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(document, file, indent=1)
    os.replace(new, folder / _FILE)


def read_roster(folder: Path) -> Roster | None:
    """Returns what the last supervisor of the folder wrote; None if there was none.

    A file torn by a power failure reads as None too: nothing survived that.
    """
    try:
        document = json.loads((folder / _FILE).read_text())
        processes = tuple(ProcessRecord(**record) for record in document["processes"].values())
        return Roster(document["mark"], document["boot"], processes)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        _logger.warning("%s is unreadable and ignored: %s", folder / _FILE, error)
        return None
