"""Whom the embedded servers run as: Postgres refuses root, so root lends them another user."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path

from adaqueue.adapters.processes import Account
from adaqueue.errors import UnavailableError

_CANDIDATES = ("postgres", "nobody")
_REMEDY = (
    "run as an ordinary user, or set ADAQUEUE_REDIS_URL and ADAQUEUE_DATABASE_URL to servers of your own"
)


def default_server_account() -> Account | None:
    """Returns the user that root lends to new servers; None for an ordinary user, who runs them himself.

    Raises:
        UnavailableError: root has no user to lend.
    """
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise UnavailableError(
        f"Postgres does not run as root and no user {' or '.join(_CANDIDATES)} exists: {_REMEDY}"
    )


def owner_of(folder: Path) -> Account | None:
    """Returns the user who owns existing servers and so must run them; None if it is this process's user.

    Raises:
        UnavailableError: they belong to another user, and this process may not become that one.
    """
    status = folder.stat()
    if status.st_uid == os.geteuid():
        return default_server_account()  # as root, the folder is half-made: it was not given away yet
    if os.geteuid() != 0:
        raise UnavailableError(f"{folder} belongs to user {status.st_uid}: run as that user or as root")
    return Account(str(status.st_uid), status.st_uid, status.st_gid)


def can_enter(folder: Path, account: Account | None) -> bool:
    """Returns whether the user can reach the folder, tried in a child that is that user.

    Raises:
        UnavailableError: this process may not become that user, as in some containers.
    """
    return _shell_succeeds('cd -- "$1"', (str(folder),), account)


def can_run(argv: Sequence[str], account: Account | None) -> bool:
    """Returns whether a command runs as that user and exits with status 0.

    Raises:
        UnavailableError: this process may not become that user, as in some containers.
    """
    return _shell_succeeds('exec "$@"', argv, account)


def _shell_succeeds(script: str, arguments: Sequence[str], account: Account | None) -> bool:
    # through a shell, so that an error from the call itself can only come from the change of user
    try:
        result = subprocess.run(
            ("/bin/sh", "-c", script, "sh", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            check=False,
        )
    except OSError as error:
        name = "nobody else" if account is None else account.name
        raise UnavailableError(f"this process may not become {name} ({error.strerror}): {_REMEDY}") from error
    return result.returncode == 0
