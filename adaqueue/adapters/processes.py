"""Starts one child process so that it cannot outlive its supervisor.

The supervisor is single-threaded on purpose: a child's parent-death signal fires when the *thread* that
forked it ends, and Python code between fork and exec is only safe while no other thread can hold a lock.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO

from adaqueue.errors import UnavailableError

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Account:
    """An operating-system user that a child may run as; only root may name one."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class ProcessSpec:
    """What to run and how to stop it.

    Attributes:
        name: unique within a data folder; also the name of its log file.
        argv: program (a full path, or found on PATH) and arguments; no secrets, every user can read them.
        env: the whole environment, the place for secrets; None hands on the supervisor's own.
        cwd: working directory; None keeps the supervisor's.
        user: whom to run as; None keeps the supervisor's user.
        stop_signal: asks for a clean stop; also sent by the kernel when the supervisor dies.
        grace_seconds: time for a clean stop before SIGKILL to the whole process group.
        one_shot: an exit with status 0 is the end of it, not a crash.
        foundation: others depend on it: it is stopped only after all others are gone.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] | None = field(default=None, repr=False)
    cwd: Path | None = None
    user: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    one_shot: bool = False
    foundation: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name):
            raise ValueError(f"a process name must be usable as a file name, not {self.name!r}")
        if not self.argv or self.grace_seconds < 0:
            raise ValueError(f"process {self.name}: argv is empty or grace_seconds is negative")


def spawn(
    spec: ProcessSpec, log_path: Path, marks: Mapping[str, str], *, reads_input: bool = False
) -> subprocess.Popen[bytes]:
    """Starts a child in its own process group; it gets `stop_signal` when this process dies.

    Args:
        spec: what to run.
        log_path: standard output and error are appended here.
        marks: environment variables added to the spec's, so that its descendants can be recognised.
        reads_input: whether its standard input is a pipe; otherwise it is /dev/null.

    Raises:
        OSError: the program cannot be started as this user.
        RuntimeError: called outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("children are started from the main thread only: they die with the thread")
    user = spec.user
    with _open_log(log_path, spec.name) as log:
        return subprocess.Popen(
            spec.argv,
            stdin=subprocess.PIPE if reads_input else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**(os.environ if spec.env is None else spec.env), **marks},
            cwd=spec.cwd,
            user=None if user is None else user.uid,
            group=None if user is None else user.gid,
            extra_groups=None if user is None else [],
            process_group=0,
            # runs after the change of user, which would clear the signal
            preexec_fn=partial(  # noqa: PLW1509 - safe: this process has one Python thread
                _ask_for_signal_at_death_of, os.getpid(), spec.stop_signal
            ),
        )


def run_to_end(spec: ProcessSpec, log_path: Path, text: str = "", timeout_seconds: float = 300) -> None:
    """Runs a child, with `text` on its standard input, until it exits with status 0.

    Raises:
        UnavailableError: it could not be started, failed, or took too long; carries the end of its log.
    """
    offset = log_path.stat().st_size if log_path.exists() else 0
    try:
        child = spawn(spec, log_path, {}, reads_input=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"{spec.name} could not be started: {error}") from error
    try:
        child.communicate(text.encode(), timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    if child.returncode != 0:
        tail = log_tail(log_path, offset)
        raise UnavailableError(
            f"{spec.name} failed ({exit_words(child.returncode)}); {log_path} ends:\n{tail}"
        )


def stop_with_parent(parent_pid: int) -> None:
    """Asks the kernel to send SIGTERM to this process when its parent dies.

    Args:
        parent_pid: the parent as itself knows it; if it died before this call, SIGTERM is sent at once.
    """
    _set_parent_death_signal(signal.SIGTERM)
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGTERM)


def log_tail(log_path: Path, offset: int = 0, limit_bytes: int = 4000) -> str:
    """Returns the end of a log, at most `limit_bytes`, nothing from before `offset`."""
    with log_path.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(offset, size - limit_bytes))
        return log.read().decode(errors="replace").strip()


def exit_words(returncode: int) -> str:
    """Returns how a process ended, in words."""
    if returncode >= 0:
        return f"exit status {returncode}"
    return f"killed by {signal.Signals(-returncode).name}"


def _open_log(log_path: Path, name: str) -> IO[bytes]:
    descriptor = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    os.write(descriptor, f"--- {moment} starting {name}\n".encode())
    return os.fdopen(descriptor, "ab", buffering=0)


def _ask_for_signal_at_death_of(parent_pid: int, number: signal.Signals) -> None:
    _set_parent_death_signal(number)
    if os.getppid() != parent_pid:  # the parent died before the kernel was asked
        os._exit(1)


def _set_parent_death_signal(number: signal.Signals) -> None:
    if _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
