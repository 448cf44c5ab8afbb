"""A system for the length of one command: the one that is up, else one of the command's own."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adaqueue.adapters.data_folder import holder_of
from adaqueue.adapters.processes import log_tail
from adaqueue.errors import UnavailableError
from adaqueue.settings import PREFIX, Settings
from adaqueue.wiring.addresses import check_up
from adaqueue.wiring.machine import environment, judge_key
from adaqueue.wiring.system import READY_SECONDS, discard, take_down

STOPPING_SECONDS = 60.0


@contextmanager
def own_system(
    settings: Settings, on_progress: Callable[[str], None], *, keep: bool, keep_unfinished: bool
) -> Iterator[Callable[[], None]]:
    """Runs a system in the data folder as a child of this process; ends and deletes it afterwards.

    Yields a function that raises UnavailableError once the system has ended.

    Args:
        settings: of the system; its data folder is the system's own.
        on_progress: told in words what is being waited for.
        keep: leave the folder in any case.
        keep_unfinished: leave it after a fault or an interruption, for the same command to go on from.

    Raises:
        UnavailableError: the system does not start; carries the end of its log.
    """
    folder = settings.data_folder
    _make_private(folder)
    _wait_until_free(folder, on_progress)
    log_path = folder / "logs" / "up.log"
    log_path.parent.mkdir(mode=0o700, exist_ok=True)
    offset = log_path.stat().st_size if log_path.exists() else 0
    child = _start(settings, log_path)
    finished = False
    try:
        _wait_ready(settings, child, lambda: log_tail(log_path, offset), on_progress)

        def check() -> None:
            if child.poll() is not None:
                raise UnavailableError(f"the system ended:\n{log_tail(log_path, offset)}")

        yield check
        finished = True
    finally:
        take_down(settings)
        child.wait()
        if not keep and (finished or not keep_unfinished):
            discard(folder)
            shutil.rmtree(folder)


def _start(settings: Settings, log_path: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "adaqueue", "up", "--parent-pid", str(os.getpid())]
    settings = settings.model_copy(update={"trainers": 0})  # it lives for no night
    with log_path.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**_inherited(), **environment(settings, settings.data_folder), **judge_key(settings)},
            start_new_session=True,
        )


def _wait_until_free(folder: Path, on_progress: Callable[[str], None]) -> None:
    """Lets the system of an earlier command end: one that was killed leaves it stopping for a while."""
    deadline = time.monotonic() + STOPPING_SECONDS
    while (holder := holder_of(folder)) is not None:
        if time.monotonic() > deadline:
            raise UnavailableError(f"process {holder.pid} holds {folder}: does the same command run already?")
        on_progress(f"waiting for process {holder.pid}, which still holds {folder}")
        time.sleep(0.1)


def _wait_ready(
    settings: Settings,
    child: subprocess.Popen[bytes],
    log: Callable[[], str],
    on_progress: Callable[[str], None],
) -> None:
    deadline = time.monotonic() + READY_SECONDS + 60
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise UnavailableError(f"the system does not start:\n{log()}")
        try:
            check_up(settings)
            return
        except UnavailableError:
            on_progress((log().strip().splitlines() or ["starting"])[-1])
            time.sleep(0.1)
    raise UnavailableError(f"the system is not ready after {READY_SECONDS + 60:g} s:\n{log()}")


def _inherited() -> dict[str, str]:
    """The environment without settings: the child's are given one by one."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def _make_private(folder: Path) -> None:
    """Makes the folder ours alone; one that somebody else made, or a link, is refused."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise UnavailableError(f"{folder} is not yours: give another --data-folder") from None
