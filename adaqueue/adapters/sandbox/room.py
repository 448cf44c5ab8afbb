"""Tier A: a machine of its own for runs, with the interpreter's files and nothing else in it.

Namespaces of mounts, processes, network, IPC and names; the root is a read-only memory file system.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from . import kernel

_KINDS = kernel.NEW_MOUNTS | kernel.NEW_PROCESSES | kernel.NEW_NETWORK | kernel.NEW_IPC | kernel.NEW_HOST_NAME
_BUILT_AT = "/tmp"  # noqa: S108 - a place to mount on, which nobody else sees
_LINKS = {"stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "fd": "fd"}


class Room:
    """Namespaces that this process has moved into; its children are processes of the new machine.

    Args:
        paths: files and folders that exist in it, at their places.

    Attributes:
        own_users: whether it took a namespace of users: then there is no user but this one.

    Raises:
        OSError: the kernel or its settings forbid it.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.own_users = _enter()
        kernel.mount("none", "/", None, kernel.PRIVATE)
        exhibits = [_Exhibit.of(path) for path in paths]
        kernel.mount("tmpfs", _BUILT_AT, "tmpfs", kernel.NO_PRIVILEGES, "mode=755,size=1m")
        os.chdir(_BUILT_AT)
        for exhibit in exhibits:
            exhibit.show()
        self._keeper = _Keeper()
        kernel.move_root_here()
        kernel.restrict_mount("/", kernel.READ_ONLY, below=False)

    def close(self) -> None:
        """Ends every process of the machine."""
        self._keeper.close()


class _Keeper:
    """The machine's first process: everything in it ends with it, and it ends with the zygote."""

    def __init__(self) -> None:
        os.mkdir("proc")
        os.makedirs("dev", exist_ok=True)
        for name, target in _LINKS.items():
            os.symlink(f"/proc/self/{target}", f"dev/{name}")
        listened, self._held = os.pipe()
        told, tells = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _keep(listened, tells)
        os.close(listened)
        os.close(tells)
        with os.fdopen(told, "rb") as reason:
            if said := reason.read():
                raise OSError(int(said), f"mount /proc: {os.strerror(int(said))}")

    def close(self) -> None:
        os.close(self._held)
        while os.waitpid(-1, 0)[0] != self._pid:
            pass  # it ends when each process of the machine was waited for


def _keep(listened: int, tells: int) -> None:
    try:
        kernel.mount("proc", "proc", "proc", kernel.NO_PRIVILEGES, "subset=pid,hidepid=2")
        kernel.die_with_parent()
        kernel.renounce_capabilities()
        kernel.guard_memory()
    except OSError as error:
        os.write(tells, str(error.errno).encode())
        os._exit(1)
    os.closerange(0, listened)
    os.closerange(listened + 1, 1 << 20)
    os.read(listened, 1)
    os._exit(0)


def _enter() -> bool:
    """Makes the namespaces; returns whether that took one of users."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        kernel.unshare(_KINDS)
    except PermissionError:
        kernel.unshare(_KINDS | kernel.NEW_USERS)
    else:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return True


@dataclass(frozen=True)
class _Exhibit:
    """A file or folder of the old root, found before anything is mounted that might hide it.

    Attributes:
        place: where it really is.
        links: symbolic links on the way there, and their targets.
        descriptor: its own.
    """

    place: str
    links: dict[str, str]
    descriptor: int

    @classmethod
    def of(cls, path: str) -> _Exhibit:
        """Returns the exhibit of an absolute path."""
        done, left, links = "", path.strip("/").split("/"), {}
        while left:
            step = f"{done}/{left.pop(0)}"
            if not os.path.islink(step):
                done = step
                continue
            links[step] = os.readlink(step)
            left[:0] = os.path.normpath(os.path.join(done or "/", links[step])).strip("/").split("/")
            done = ""
        return cls(done, links, os.open(done, os.O_PATH | os.O_CLOEXEC))

    def show(self) -> None:
        """Mounts it, to be read only, at its place below the current folder."""
        for link, target in self.links.items():
            os.makedirs("." + os.path.dirname(link), exist_ok=True)
            if not os.path.lexists("." + link):
                os.symlink(target, "." + link)
        place = "." + self.place
        if stat.S_ISDIR(os.fstat(self.descriptor).st_mode):
            os.makedirs(place, exist_ok=True)
        elif not os.path.exists(place):  # unless it is in a folder that is there already
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
        kernel.mount(f"/proc/self/fd/{self.descriptor}", place, None, kernel.BIND)
        devices = 0 if place.startswith("./dev/") else kernel.NO_DEVICES
        kernel.restrict_mount(place, kernel.READ_ONLY | kernel.NO_SETUID | devices, below=True)
        os.close(self.descriptor)
