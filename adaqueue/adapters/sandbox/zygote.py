"""The zygote: a warm interpreter that holds nothing secret and forks one child for each run.

It says in JSON what it is, and then answers its supervisor, one request after another, on standard input (a
SOCK_SEQPACKET socket): an `ORDER` with descriptors forks a child and returns its id; the `NUMBER` of a child
kills it with its descendants and returns its wait status.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import platform
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn, cast

from . import child, kernel, landlock, reach, roles, room, system_calls

# fmt: off
PRELOADED = (
    "abc", "array", "ast", "base64", "binascii", "bisect", "builtins", "calendar", "cmath", "collections",
    "collections.abc", "contextlib", "copy", "ctypes", "dataclasses", "datetime", "decimal", "difflib",
    "enum", "fractions", "functools", "heapq", "html", "inspect", "io", "itertools", "json", "keyword",
    "locale", "math", "numbers", "operator", "os", "pathlib", "pprint", "queue", "random", "re",
    "statistics", "string", "struct", "sys", "textwrap", "threading", "time", "traceback", "types",
    "typing", "unicodedata", "warnings", "weakref",
)
"""What many programs import; other modules are found on the disk: each mapped library makes forks dearer."""
# fmt: on
_POOL_BYTES, _FIRST_IN_POOL, _MOST_HOLES = 1 << 14, 64, 1 << 12
_REHEARSALS = 20
_PROGRAM = """
import sys
from collections import defaultdict
def add(a, b):
    return a + b
a, b = map(int, input().split())
rows = [int(word) for word in sys.stdin.readline().split()]
counts = defaultdict(int)
for number in sorted(rows):
    counts[number] += add(a, b)
print(a + b, *rows)
print(f"{max(counts.values())}")
"""
NUMBER = struct.Struct("=i")
_MESSAGE_BYTES = child.ORDER.size
_ANCILLARY_BYTES = socket.CMSG_SPACE(5 * NUMBER.size)


def main(tier: str, libraries: dict[str, list[str]]) -> None:
    """Serves the supervisor until it closes the connection.

    Args:
        tier: `A`, `B` or `none`.
        libraries: names of modules to load beside the standard library, and where they are.
    """
    control = socket.socket(fileno=0)
    _warm_up(libraries)
    try:
        confinement, own_room = _confine(tier, [path for paths in libraries.values() for path in paths])
    except OSError as error:
        control.send(json.dumps({"refused": str(error)}).encode())
        return
    zygote = _Zygote(control, confinement)
    control.send(json.dumps({"tier": tier}).encode())
    gc.collect()
    gc.freeze()
    filling = _fill_holes()
    try:
        zygote.serve()
    finally:
        zygote.end_all()
        if own_room is not None:
            own_room.close()
        del filling


def _confine(tier: str, libraries: list[str]) -> tuple[child.Confinement, room.Room | None]:
    """Returns what will hold the children.

    Raises:
        OSError: the tier cannot be had here; says what is missing.
    """
    if tier == "none":
        kernel.guard_memory()
        kernel.adopt_orphans()
        kernel.forbid_new_privileges()
        identity = child.Identity.of_zygote(own_user_namespace=False)
        return child.Confinement(identity, None, None, 0, child.limit_zygote()), None
    needed = reach.of_python(libraries)
    own_room = room.Room(needed.outermost()) if tier == "A" else None
    kernel.guard_memory()  # not earlier: it closes this process's own files in /proc, which a room needs
    kernel.forbid_new_privileges()
    identity = child.Identity.of_zygote(own_user_namespace=own_room is not None and own_room.own_users)
    doors = reach.open_doors(needed) if own_room is None and identity.uids else 0
    files = landlock.Ruleset(needed.readable, needed.listed, needed.writable)
    bounds = child.limit_zygote()
    return child.Confinement(identity, files, system_calls.Filter(), doors, bounds), own_room


def _fill_holes() -> list[bytes]:
    """Returns objects that take the room between others, so that those of children lie close together.

    Python gives out memory in pools, each for objects of one size; what a child writes into a pool that it
    shares with the zygote has to be copied page by page.
    """
    filling = []
    for length in range(15, 512 - 32, 16):
        for _ in range(_MOST_HOLES):
            filling.append(bytes(length))
            if id(filling[-1]) % _POOL_BYTES < _FIRST_IN_POOL:
                break
    return filling


def _rehearse() -> None:
    """Runs a program here, so that children find written what Python notes down about code and types.

    What it would note down in each child is there a copied page each.
    """
    streams = sys.stdin, sys.stdout
    for _ in range(_REHEARSALS):
        descriptor = os.memfd_create("rehearsal")
        os.write(descriptor, b"1 2\n3 4\n")
        os.lseek(descriptor, 0, os.SEEK_SET)
        with (
            open(descriptor, encoding="utf-8") as sys.stdin,
            open(os.devnull, "w", encoding="utf-8") as sys.stdout,
        ):
            roles.rehearse(_PROGRAM)
    sys.stdin, sys.stdout = streams


def _warm_up(libraries: dict[str, list[str]]) -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    own_path = sys.path[:]
    sys.path += {os.path.dirname(paths[0]): None for paths in libraries.values()}
    for name in libraries:
        importlib.import_module(name)
    sys.path[:] = own_path
    os.environ.clear()
    site = importlib.import_module("site")  # `-S` left exit() and help() out
    site.setquit()
    site.sethelper()
    platform.processor()  # asks another program, once, which runs may not start
    sys.argv = ["solution.py"]
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # a lone surrogate is written rather than refused: the comparison outside rejects it
        cast(io.TextIOWrapper, stream).reconfigure(encoding="utf-8", errors="surrogatepass")
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    _rehearse()
    atexit._clear()  # what was loaded has nothing to do at a program's end
    kernel.look_users_up_in_files()


class _Zygote:
    """Forks and ends children as its supervisor says."""

    def __init__(self, control: socket.socket, confinement: child.Confinement) -> None:
        self._control = control
        self._confinement = confinement
        self._children: set[int] = set()

    def serve(self) -> None:
        """Answers until the supervisor closes the connection.

        After every fork each page that this writes to is copied, also by counting references: it touches
        as few objects as can be.
        """
        receive, send = self._control.recvmsg, self._control.send
        while True:
            message, ancillary, _, _ = receive(_MESSAGE_BYTES, _ANCILLARY_BYTES)
            if not message:
                return
            if ancillary:
                send(NUMBER.pack(self._start(message, ancillary[0][2])))
            else:
                send(NUMBER.pack(self._end(*NUMBER.unpack(message))))

    def end_all(self) -> None:
        """Ends what still runs."""
        for pid in self._children:
            _kill(pid)
            os.waitpid(pid, 0)
        if self._confinement.calls is None:
            _end_orphans(set())

    def _start(self, order: bytes, packed: bytes) -> int:
        descriptors = memoryview(packed).cast("i")
        pid = kernel.fork()
        if pid == 0:
            _become(order, descriptors, self._confinement)
        self._children.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        return pid

    def _end(self, pid: int) -> int:
        _kill(pid)
        _, status = os.waitpid(pid, 0)
        self._children.discard(pid)
        if self._confinement.calls is None:  # else it can have no descendants
            _end_orphans(self._children)
        return status


def _become(order: bytes, descriptors: Sequence[int], confinement: child.Confinement) -> NoReturn:
    try:
        child.run(order, descriptors, confinement)
    finally:
        os._exit(1)


def _kill(pid: int) -> None:
    """Kills a child that has not been waited for, so that its number cannot be another's."""
    for kill in (os.kill, os.killpg):
        with suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _end_orphans(spared: set[int]) -> None:
    """Kills what runs left behind: descendants that changed their process group are children now."""
    while orphans := _children() - spared:
        for pid in orphans:
            _kill(pid)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> set[int]:
    try:
        descriptor = os.open("/proc/thread-self/children", os.O_RDONLY)
    except OSError:
        return set()
    pids = os.read(descriptor, 1 << 16)
    os.close(descriptor)
    return set(map(int, pids.split()))
