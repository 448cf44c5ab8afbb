"""Where the embedded servers of a data folder live: their files, their sockets, their user."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adaqueue.adapters.processes import Account
from adaqueue.adapters.server_account import can_enter, default_server_account, owner_of
from adaqueue.adapters.socket_folder import check_private, folder_digest, socket_folder
from adaqueue.errors import UnavailableError

OUTSIDE = Path("/var/lib/adaqueue")
_LINK = "servers"
_LONGEST_SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True)
class ServerHome:
    """Where one data folder's servers keep their things.

    Attributes:
        folder: private to the servers' user.
        account: whom they run as; None is this process's own user.
    """

    folder: Path
    account: Account | None

    @property
    def sockets(self) -> Path:
        """Where their sockets are: `folder`, or a short path if that is too long or needs quoting."""
        return socket_folder(self.folder, _LONGEST_SOCKET_NAME, self._uid)

    def make_sockets_folder(self) -> None:
        """Makes the sockets' folder, private to the servers' user, if it is not there.

        Raises:
            UnavailableError: somebody else made it.
        """
        if self.sockets != self.folder:
            self.make_folder(self.sockets)
            self.check_sockets_folder()

    def check_sockets_folder(self) -> None:
        """Returns if nobody else can have put a socket where this home's sockets are.

        Raises:
            UnavailableError: the folder is another user's, or open to others.
        """
        check_private(self.sockets, self._uid)

    def make_folder(self, folder: Path) -> None:
        """Makes a folder that only the servers' user may enter, if it is not there."""
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if self.account is not None and folder.lstat().st_uid == 0:  # new, or left half-made by a crash
            os.chown(folder, self.account.uid, self.account.gid, follow_symlinks=False)

    def write_private(self, path: Path, text: str) -> None:
        """Replaces a file that only the servers' user may read, in one step."""
        new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        # exclusive: the folder's owner could have put a link there for root to write through
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:
            file.write(text)
            if self.account is not None:
                os.fchown(descriptor, self.account.uid, self.account.gid)
        os.replace(new, path)

    def discard(self) -> None:
        """Deletes everything the servers kept."""
        if self.sockets.exists() and self.sockets != self.folder:
            shutil.rmtree(self.sockets)
        shutil.rmtree(self.folder)

    @property
    def _uid(self) -> int:
        return os.geteuid() if self.account is None else self.account.uid


def find_home(folder: Path) -> ServerHome | None:
    """Returns where the data folder's servers live; None if they were never prepared.

    Raises:
        UnavailableError: they belong to another user, or are gone.
    """
    link = folder / _LINK
    try:
        home = link.resolve(strict=True)
        return ServerHome(home, owner_of(home))
    except FileNotFoundError:
        if not link.is_symlink():
            return None
        message = f"{link} points to {link.readlink()}, where the servers' data is missing"
        raise UnavailableError(f"{message}: restore it, or remove the link to begin anew") from None
    except PermissionError as error:
        raise UnavailableError(f"{folder} belongs to another user: run as that user") from error


def discard_home(folder: Path) -> None:
    """Deletes everything the data folder's servers kept, also outside of it."""
    home = find_home(folder)
    if home is not None:
        home.discard()
        (folder / _LINK).unlink(missing_ok=True)


def make_home(folder: Path, outside: Path = OUTSIDE) -> ServerHome:
    """Returns where the data folder's servers live, made if need be.

    Inside the data folder, unless root's servers run as a user who cannot come there; then below `outside`,
    with a link in the data folder. No existing folder's permissions are changed.

    Raises:
        UnavailableError: the servers' user cannot reach any place.
    """
    home = find_home(folder) or _new_home(folder, outside, default_server_account())
    home.make_folder(home.folder)
    if home.account is not None and not can_enter(home.folder, home.account):
        message = f"user {home.account.name} runs the servers and cannot enter {home.folder}"
        raise UnavailableError(
            f"{message}: let it pass (`chmod o+x` on the parents), or use another data folder"
        )
    return home


def _new_home(folder: Path, outside: Path, account: Account | None) -> ServerHome:
    if account is None or can_enter(folder, account):
        (folder / _LINK).mkdir(mode=0o700)
        return ServerHome(folder / _LINK, account)
    make_passable(outside)
    home = _unused(outside / folder_digest(folder))
    home.mkdir(mode=0o700)
    (folder / _LINK).symlink_to(home)
    return ServerHome(home, account)


def make_passable(folder: Path) -> None:
    """Makes a folder of root's, and its parents, open to all; leaves existing ones as they are."""
    if not folder.exists():
        make_passable(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def _unused(path: Path) -> Path:
    """Returns the path, or a numbered one if a deleted data folder of the same name left it behind."""
    number = 1
    candidate = path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
