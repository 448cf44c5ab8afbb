"""A data folder belongs to one running system at a time: `hold` takes it and cleans up after a crash."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adaqueue.adapters.leftovers import clear_leftovers
from adaqueue.adapters.process_identity import Identity
from adaqueue.adapters.server_account import can_enter, default_server_account
from adaqueue.errors import AlreadyUpError, UnavailableError

_LOCK = "lock"
_PATIENCE_SECONDS = 0.5


@dataclass(frozen=True)
class Held:
    """A data folder that this process holds.

    Attributes:
        folder: its resolved path.
        leftovers: names of processes of an earlier supervisor that had to be ended.
    """

    folder: Path
    leftovers: tuple[str, ...]


@contextmanager
def hold(data_folder: Path) -> Iterator[Held]:
    """Makes the folder if need be, holds it for this process alone, and ends what a crash left running.

    The kernel gives the folder free when this process ends, however it ends.

    Raises:
        AlreadyUpError: another process holds it; says which.
        UnavailableError: the folder cannot be made or used, or a leftover cannot be ended.
    """
    folder = data_folder.expanduser().resolve()
    with _explained(folder):
        _create(folder)
        descriptor = _take_lock(folder)
    try:
        yield Held(folder, clear_leftovers(folder))
    finally:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


def holder_of(data_folder: Path) -> Identity | None:
    """Returns the process that holds the folder; None if it is free or does not exist.

    Raises:
        UnavailableError: the folder may not be read, or its holder cannot be seen from here.
    """
    folder = data_folder.expanduser().resolve()
    with _explained(folder):
        try:
            descriptor = os.open(folder / _LOCK, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return _seen_holder(folder, descriptor)
        finally:
            os.close(descriptor)


def _create(folder: Path) -> None:
    """Makes the folder private; a server user may pass through, if it could come as far, and read no list."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        return
    folder.chmod(0o711 if _server_user_comes_as_far_as(folder.parent) else 0o700)


def _server_user_comes_as_far_as(folder: Path) -> bool:
    try:
        account = default_server_account()
        return account is not None and can_enter(folder, account)
    except UnavailableError:
        return False  # root has no user to lend: there can be no embedded servers, which need not be wanted


def _take_lock(folder: Path) -> int:
    # not inheritable, so a child that lives on does not hold the folder
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _locked(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:  # `holder_of` in another process locks for a moment too
            holder = _read_holder(descriptor)
            os.close(descriptor)
            pid = "unknown" if holder is None else holder.pid
            raise AlreadyUpError(
                f"{folder} is held by process {pid}: it is up already; `adaqueue down` stops it"
            )
        time.sleep(0.02)
    os.ftruncate(descriptor, 0)
    me = Identity.of(os.getpid())
    if me is not None:
        os.pwrite(descriptor, f"{me.pid} {me.start_time}\n".encode(), 0)
    return descriptor


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(descriptor: int) -> Identity | None:
    fields = os.pread(descriptor, 100, 0).split()
    return Identity(int(fields[0]), int(fields[1])) if len(fields) == 2 else None


def _seen_holder(folder: Path, descriptor: int) -> Identity | None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _locked(descriptor, fcntl.LOCK_SH):
        holder = _read_holder(descriptor)
        if holder is not None and holder.is_alive():
            return holder
        if time.monotonic() > deadline:  # the name is missing for a moment after locking and before freeing
            message = f"{folder} is held by a process that cannot be seen here"
            raise UnavailableError(f"{message}: use the container or machine in which it runs")
        time.sleep(0.02)
    return None


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "choose another data folder, or run as the user who owns it"
        raise UnavailableError(f"data folder {folder} cannot be used ({error.strerror}): {remedy}") from error
