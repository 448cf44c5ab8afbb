"""Which files Python needs while a program runs, and how a child finds those in folders closed to it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

FIRST_DOOR = 48
"""Descriptor of the first folder that `open_doors` keeps open; others follow."""

_SHARED = (
    *("/dev/zero", "/dev/random", "/dev/urandom"),
    *("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"),
)
_OTHERS_PACKAGES = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Reach:
    """Paths of a run.

    Attributes:
        readable: files, and folders with all that is below them.
        listed: folders of which the names may be read.
        writable: files.
    """

    readable: tuple[str, ...]
    listed: tuple[str, ...]
    writable: tuple[str, ...] = ("/dev/null",)

    def outermost(self) -> list[str]:
        """Returns the paths that lie below no other."""
        paths = dict.fromkeys([*self.listed, *self.readable, *self.writable])
        return [path for path in paths if not any(path.startswith(other + "/") for other in paths)]


def of_python(libraries: Iterable[str]) -> Reach:
    """Returns what the standard library, which is imported as it is needed, and libraries read.

    Args:
        libraries: files and folders of libraries.
    """
    listed = [path for path in sys.path if os.path.isdir(path)]
    standard = [own for path in listed for own in _without_others_packages(path)]
    shared = [path for path in _SHARED if os.path.exists(path)]
    readable = dict.fromkeys([*standard, *_loadable(listed), *libraries, *shared])
    return Reach(tuple(readable), tuple(listed))


def _without_others_packages(folder: str) -> list[str]:
    names = os.listdir(folder)
    if not any(name in names for name in _OTHERS_PACKAGES):
        return [folder]
    return [os.path.join(folder, name) for name in names if name not in _OTHERS_PACKAGES]


def _loadable(python_folders: list[str]) -> Iterator[str]:
    """Yields where shared libraries are: the folders of those loaded, or single files beside Python's own."""
    for folder in sorted({os.path.dirname(path) for path in _mapped()}):
        if any(os.path.realpath(own).startswith(folder + "/") for own in python_folders):
            yield from (os.path.join(folder, name) for name in os.listdir(folder) if ".so" in name)
        else:
            yield folder


def _mapped() -> set[str]:
    with open("/proc/self/maps") as file:
        words = (line.split(maxsplit=5) for line in file)
        return {line[5].strip() for line in words if len(line) == 6 and ".so" in line[5]}


def open_doors(reach: Reach) -> int:
    """Lets children import from folders that lie in one which is closed to them, such as root's home.

    Each such folder is held open, and Python looks for its modules behind the descriptor.

    Returns:
        The number of descriptors.
    """
    closed = [path for path in reach.outermost() if os.path.isdir(path) and not _open_to_all(path)]
    doors = {folder: _door(folder, FIRST_DOOR + place) for place, folder in enumerate(closed)}
    for places in (sys.path, *_package_paths()):
        places[:] = [_behind(doors, place) for place in places]
    sys.path_importer_cache.clear()
    return len(doors)


def _open_to_all(folder: str) -> bool:
    while folder != "/":
        if not os.stat(folder).st_mode & stat.S_IXOTH:
            return False
        folder = os.path.dirname(folder)
    return True


def _door(folder: str, number: int) -> str:
    descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    os.dup2(descriptor, number)
    os.close(descriptor)
    return f"/proc/self/fd/{number}"


def _package_paths() -> Iterator[list[str]]:
    for module in list(sys.modules.values()):
        path = getattr(module, "__path__", None)
        if isinstance(path, list):
            yield path


def _behind(doors: dict[str, str], place: str) -> str:
    for folder, door in doors.items():
        if place == folder or place.startswith(folder + "/"):
            return door + place[len(folder) :]
    return place
