"""Tells a process from a later one that was given the same pid."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Identity:
    """One process of this boot.

    Attributes:
        pid: its number; the kernel gives it to another process later.
        start_time: when it started, in clock ticks since boot, as the kernel reports it.
    """

    pid: int
    start_time: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Returns the identity of the process that has this pid now; None if there is none alive."""
        try:
            stat = (_PROC / str(pid) / "stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # the name, field 2, may hold anything; the state is field 3, the start time field 22
        fields = stat.rpartition(b")")[2].split()
        # a zombie is dead; under an init that never reaps, it stays for ever
        return None if fields[0] in b"ZX" else cls(pid, int(fields[19]))

    def is_alive(self) -> bool:
        """Returns whether this very process runs."""
        return Identity.of(self.pid) == self

    def uptime_seconds(self) -> float:
        """Returns how long ago the process started."""
        started = self.start_time / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)


def boot_id() -> str:
    """Returns an identifier of this boot: start times are comparable only within it."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def processes_with_environment(prefix: str) -> Iterator[tuple[Identity, str]]:
    """Yields every other process whose environment at exec had an entry `NAME=value` that begins so.

    Processes whose environment this user may not read are left out.

    Yields:
        The process, and what follows the prefix.
    """
    for folder in _PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            entries = (folder / "environ").read_bytes().split(b"\0")
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue  # another user's process, or one that has just ended
        rest = next((entry[len(prefix) :] for entry in entries if entry.startswith(prefix.encode())), None)
        identity = Identity.of(int(folder.name)) if rest is not None else None
        if rest is not None and identity is not None:
            yield identity, rest.decode(errors="replace")
