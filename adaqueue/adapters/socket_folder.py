"""Where Unix sockets of a folder lie: a socket's path may have 107 bytes, a folder's many more."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from adaqueue.errors import UnavailableError

SHORT = Path("/tmp")  # noqa: S108 - not TMPDIR: every process must find the same place; ownership is checked
LONGEST_PATH_BYTES = 107


def socket_folder(folder: Path, longest_name: str, uid: int) -> Path:
    """Returns where a folder's sockets lie: in it, or at a short path if its own is too long.

    Args:
        folder: to whom they belong.
        longest_name: of a socket.
        uid: of their owner.
    """
    longest = os.fsencode(folder / longest_name)
    if len(longest) <= LONGEST_PATH_BYTES and re.fullmatch(rb"[A-Za-z0-9/._@+-]+", longest):
        return folder
    return SHORT / f"adaqueue-{uid}-{folder_digest(folder)}"


def check_private(folder: Path, uid: int) -> None:
    """Returns if nobody else can have put a socket into the folder, or it is not there.

    Raises:
        UnavailableError: the folder is another user's, or open to others.
    """
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return
    private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o077 == 0
    if not private or status.st_uid != uid:
        raise UnavailableError(f"{folder} is not private to user {uid}: remove it, and find out who made it")


def folder_digest(folder: Path) -> str:
    """Returns 16 hexadecimal digits that tell folders apart."""
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
