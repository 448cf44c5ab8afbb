"""Keeps processes running until it is told to stop, then stops them in order."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType

from adaqueue.adapters.child import Backoff, Child
from adaqueue.adapters.leftovers import end_descendants
from adaqueue.adapters.process_roster import write_roster
from adaqueue.adapters.processes import ProcessSpec
from adaqueue.errors import UnavailableError

_HARD_STOP_SECONDS = 15.0
_CRASHES_TO_GIVE_UP = 4
_logger = logging.getLogger(__name__)


class StopRequested(Exception):  # noqa: N818 - not an error: how a signal leaves a wait
    """SIGTERM or SIGINT arrived; `with Supervisor(...)` ends on it, quietly, after stopping everything."""


class Supervisor:
    """Starts children in order, starts crashed ones again, stops all of them in reverse.

    Used as `with hold(folder), Supervisor(folder) as supervisor:`, in the main thread of a process that has
    no other Python thread. Inside, SIGTERM and SIGINT are only noted: `start` and `wait_until` then raise
    `StopRequested`, `watch` returns. Leaving the block stops every child; a second signal stops them hard.

    Args:
        folder: the data folder, held by this process.
        backoff: the pauses between crashes and restarts.
        poll_seconds: how often children are looked after.
    """

    def __init__(self, folder: Path, backoff: Backoff | None = None, poll_seconds: float = 0.05) -> None:
        self._folder = folder
        self._logs = folder / "logs"
        self._backoff = backoff or Backoff()
        self._poll_seconds = poll_seconds
        self._mark = secrets.token_hex(16)
        self._children: dict[str, Child] = {}
        self._signals = 0
        self._previous_handlers: dict[
            signal.Signals, Callable[[int, FrameType | None], object] | int | None
        ] = {}

    def __enter__(self) -> Supervisor:
        self._logs.mkdir(mode=0o700, exist_ok=True)
        write_roster(self._folder, self._mark, ())  # before the first process carries the mark
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup asked for life after the terminal
            self._previous_handlers[number] = signal.signal(number, self._note_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            self.stop_all()
            end_descendants(self._mark)
        finally:
            for number, handler in self._previous_handlers.items():
                signal.signal(number, handler)
        return isinstance(error, StopRequested)

    @property
    def stop_requested(self) -> bool:
        """Whether a signal asked for the end."""
        return self._signals > 0

    def start(self, spec: ProcessSpec) -> None:
        """Starts a child; from now on it is started again when it crashes.

        Raises:
            StopRequested: a signal arrived before; nothing was started.
            UnavailableError: the program cannot be started.
            ValueError: a child of this name was started before.
        """
        self._raise_if_stop_requested()
        if spec.name in self._children:
            raise ValueError(f"a process named {spec.name} was started before")
        child = Child(spec, self._logs / f"{spec.name}.log", self._mark, self._backoff)
        try:
            child.start()
        except (OSError, subprocess.SubprocessError) as error:
            raise UnavailableError(f"{spec.name} cannot be started: {error}") from error
        self._children[spec.name] = child
        self._write()
        _logger.info("%s started, pid %s", spec.name, child.pid)

    def wait_until(self, missing: Callable[[], str], timeout_seconds: float) -> None:
        """Waits, looking after the children, until nothing is missing.

        Args:
            missing: returns what is still missing, in words, or "".
            timeout_seconds: how long to wait.

        Raises:
            StopRequested: a signal arrived.
            UnavailableError: the time is over, or a child keeps crashing; carries the end of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._raise_if_stop_requested()
            self.tend()
            self._raise_if_hopeless()
            lacking = missing()
            if not lacking:
                return
            if time.monotonic() >= deadline:
                raise UnavailableError(
                    f"not ready after {timeout_seconds:g} s: {lacking}{self._crash_report()}"
                )
            time.sleep(self._poll_seconds)

    def watch(self, stop: Callable[[], bool] | None = None) -> None:
        """Looks after the children until a signal arrives or `stop()` is true."""
        while not self.stop_requested and not (stop is not None and stop()):
            self.tend()
            time.sleep(self._poll_seconds)

    def pids(self) -> dict[str, int | None]:
        """Returns each child's process now; None while it is not running."""
        return {name: child.pid for name, child in self._children.items()}

    def tend(self) -> None:
        """Notices children that ended and starts those whose pause is over; returns at once."""
        changed = [child for child in self._children.values() if child.tend()]
        if changed:
            self._write()
        if os.getpid() == 1:
            self._bury_orphans()

    def stop_all(self) -> None:
        """Stops every child: first all others, in reverse order of their start, then the foundations."""
        for foundation in (False, True):
            children = reversed(self._children.values())
            self._stop([child for child in children if child.spec.foundation is foundation])

    def _stop(self, batch: list[Child]) -> None:
        for child in batch:
            child.ask_to_stop()
        asked = time.monotonic()
        waiting = [child for child in batch if not child.has_stopped()]
        while waiting and time.monotonic() < asked + _longest_stop_seconds(waiting):
            for child in waiting:
                if self._signals > 1 or time.monotonic() > asked + child.spec.grace_seconds:
                    child.kill()
            time.sleep(min(self._poll_seconds, 0.02))
            waiting = [child for child in waiting if not child.has_stopped()]
        for child in waiting:
            _logger.error("%s does not end, even by SIGKILL", child.spec.name)
        self._write()

    def _bury_orphans(self) -> None:
        """Reaps what process 1 of a container inherits and would otherwise pile up as zombies."""
        own = {child.pid for child in self._children.values()}
        with suppress(ChildProcessError):  # there is no child at all
            while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if dead.si_pid in own:
                    return  # `tend` wants to know how it ended
                os.waitpid(dead.si_pid, 0)

    def _raise_if_stop_requested(self) -> None:
        if self.stop_requested:
            raise StopRequested

    def _raise_if_hopeless(self) -> None:
        for child in self._children.values():
            if child.state == "restarting" and child.crashes >= _CRASHES_TO_GIVE_UP:
                raise UnavailableError(
                    f"{child.spec.name} crashed {child.crashes} times{self._crash_report()}"
                )

    def _crash_report(self) -> str:
        return "".join(
            f"\n{child.spec.name}: {child.last_exit}; its log ends:\n{child.log_tail()}"
            for child in self._children.values()
            if child.crashes
        )

    def _write(self) -> None:
        try:
            write_roster(self._folder, self._mark, (child.record() for child in self._children.values()))
        except OSError as error:  # a full disk must not keep children from being restarted or stopped
            _logger.error("processes.json is out of date: %s", error)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1


def _longest_stop_seconds(children: list[Child]) -> float:
    return max(child.spec.grace_seconds for child in children) + _HARD_STOP_SECONDS
