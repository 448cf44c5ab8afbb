"""One supervised child: started, noticed when it ends, started again after a growing pause."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adaqueue.adapters.process_identity import Identity
from adaqueue.adapters.process_roster import MARK, ProcessRecord, State
from adaqueue.adapters.processes import ProcessSpec, exit_words, log_tail, spawn

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backoff:
    """How long a crashed process waits for its next start.

    Attributes:
        first_seconds: pause after the first crash; doubles with each further one.
        ceiling_seconds: the longest pause.
        healthy_seconds: a process that lived this long begins again with the first pause.
    """

    first_seconds: float = 0.5
    ceiling_seconds: float = 30.0
    healthy_seconds: float = 30.0

    def pause_seconds(self, crashes: int) -> float:
        """Returns the pause after so many crashes in a row (1, 2, ...)."""
        return min(self.ceiling_seconds, self.first_seconds * 2.0 ** min(crashes - 1, 30))


class Child:
    """A process that is started again when it crashes.

    Attributes:
        spec: what it runs.
        state: what it does now.
        crashes: how often it crashed in a row, without a healthy life in between.
    """

    def __init__(self, spec: ProcessSpec, log_path: Path, mark: str, backoff: Backoff) -> None:
        self.spec = spec
        self.state: State = "stopped"
        self.crashes = 0
        self._log_path = log_path
        self._marks = {MARK: f"{mark}:{spec.name}"}
        self._backoff = backoff
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: Identity | None = None
        self._log_offset = 0
        self._started = ""
        self._started_clock = 0.0
        self._next_start_clock = 0.0
        self._restarts = 0
        self._last_exit = ""

    def start(self) -> None:
        """Starts the process.

        Raises:
            OSError: the program cannot be started.
            subprocess.SubprocessError: the program cannot be tied to this process's life.
        """
        self._log_offset = self._log_path.stat().st_size if self._log_path.exists() else 0
        self._started = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._started_clock = time.monotonic()
        self._process = spawn(self.spec, self._log_path, self._marks)
        # None if it has ended already: then there is nobody to recognise later
        self._identity = Identity.of(self._process.pid)
        self.state = "running"

    def tend(self) -> bool:
        """Notices an end, and starts again when the pause is over.

        Returns:
            Whether anything changed.
        """
        if self.state == "running":
            return self._reap()
        if self.state == "restarting" and time.monotonic() >= self._next_start_clock:
            self._restart()
            return True
        return False

    def ask_to_stop(self) -> None:
        """Sends the stop signal; a process that waits for its next start is stopped at once."""
        if self.state == "running" and self._process is not None:
            # not `send_signal`, which may reap: then `_collect` would wait for an end that has been
            os.kill(self._process.pid, self.spec.stop_signal)
        elif self.state == "restarting":
            self.state = "stopped"

    def has_stopped(self) -> bool:
        """Returns whether nothing runs any more; does not start it again."""
        if self.state == "running" and self._collect() is not None:
            self.state = "stopped"
        return self.state != "running"

    def kill(self) -> None:
        """Ends the whole process group at once."""
        if self.state == "running" and self._process is not None:
            _kill_group(self._process.pid)

    def log_tail(self) -> str:
        """Returns the end of what it wrote since its last start."""
        return log_tail(self._log_path, self._log_offset)

    @property
    def pid(self) -> int | None:
        """Of the last start; None if there was none."""
        return None if self._process is None else self._process.pid

    @property
    def last_exit(self) -> str:
        """How it last ended, in words; empty while it never did."""
        return self._last_exit

    def record(self) -> ProcessRecord:
        """Returns what `processes.json` says of it."""
        return ProcessRecord(
            name=self.spec.name,
            pid=None if self._identity is None else self._identity.pid,
            start_time=None if self._identity is None else self._identity.start_time,
            started=self._started,
            restarts=self._restarts,
            state=self.state,
            last_exit=self._last_exit,
            log=str(self._log_path),
            stop_signal=int(self.spec.stop_signal),
            grace_seconds=self.spec.grace_seconds,
            foundation=self.spec.foundation,
        )

    def _reap(self) -> bool:
        status = self._collect()
        if status is None:
            return False
        if self.spec.one_shot and status == 0:
            self.state = "finished"
        else:
            self._note_crash(exit_words(status))
        return True

    def _collect(self) -> int | None:
        """Returns the exit status if the process has ended, with the rest of its group killed."""
        process = self._process
        if process is None or process.returncode is not None:
            return None
        # WNOWAIT: while the zombie stays, its pid and thereby its group's number belong to nobody else
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        _kill_group(process.pid)
        status = process.wait()
        self._last_exit = exit_words(status)
        return status

    def _note_crash(self, reason: str) -> None:
        lived_seconds = time.monotonic() - self._started_clock
        self.crashes = 1 if lived_seconds >= self._backoff.healthy_seconds else self.crashes + 1
        pause_seconds = self._backoff.pause_seconds(self.crashes)
        self._next_start_clock = time.monotonic() + pause_seconds
        self._last_exit = reason
        self.state = "restarting"
        _logger.warning(
            "%s ended after %.1f s (%s); next start in %.1f s",
            self.spec.name,
            lived_seconds,
            reason,
            pause_seconds,
        )

    def _restart(self) -> None:
        self._restarts += 1
        try:
            self.start()
        except (OSError, subprocess.SubprocessError) as error:
            self._note_crash(f"could not be started: {error}")


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):  # the group is empty: nothing left to end
        os.killpg(pid, signal.SIGKILL)
