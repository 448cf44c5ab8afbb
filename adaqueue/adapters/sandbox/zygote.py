"""The zygote: a warm interpreter that holds nothing secret and forks one child for each run.

It answers its supervisor, one request after another, on standard input (a SOCK_SEQPACKET socket):
`{"role": ..., "limits": ...}` with descriptors forks a child and returns its id and a pidfd;
`{"end": id}` kills the child with its descendants and returns how it ended.
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
import sys
from contextlib import suppress
from typing import Any, NoReturn, cast

from . import child, kernel, landlock, reach, room, system_calls

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
MOST_MESSAGE_BYTES = 1 << 16


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
    try:
        zygote.serve()
    finally:
        zygote.end_all()
        if own_room is not None:
            own_room.close()


def _confine(tier: str, libraries: list[str]) -> tuple[child.Confinement, room.Room | None]:
    """Returns what will hold the children.

    Raises:
        OSError: the tier cannot be had here; says what is missing.
    """
    if tier == "none":
        kernel.guard_memory()
        kernel.adopt_orphans()
        identity = child.Identity.of_zygote(own_user_namespace=False)
        return child.Confinement(identity, None, None, 0), None
    needed = reach.of_python(libraries)
    own_room = room.Room(needed.outermost()) if tier == "A" else None
    kernel.guard_memory()  # not earlier: it closes this process's own files in /proc, which a room needs
    identity = child.Identity.of_zygote(own_user_namespace=own_room is not None and own_room.own_users)
    doors = reach.open_doors(needed) if own_room is None and identity.uids else 0
    files = landlock.Ruleset(needed.readable, needed.listed, needed.writable)
    return child.Confinement(identity, files, system_calls.Filter(), doors), own_room


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
    atexit._clear()  # what was loaded has nothing to do at a program's end
    kernel.look_users_up_in_files()


class _Zygote:
    """Forks and ends children as its supervisor says."""

    def __init__(self, control: socket.socket, confinement: child.Confinement) -> None:
        self._control = control
        self._confinement = confinement
        self._children: set[int] = set()

    def serve(self) -> None:
        """Answers until the supervisor closes the connection."""
        while True:
            message, descriptors, _, _ = socket.recv_fds(self._control, MOST_MESSAGE_BYTES, 8)
            if not message:
                return
            request = json.loads(message)
            if "end" in request:
                self._end(request["end"])
            else:
                self._start(request, descriptors)

    def end_all(self) -> None:
        """Ends what still runs."""
        for pid in self._children:
            _kill(pid)
            os.waitpid(pid, 0)
        if self._confinement.calls is None:
            _end_orphans(set())

    def _start(self, request: dict[str, Any], descriptors: list[int]) -> None:
        limits = child.limits(request, alone=self._confinement.identity.alone)
        start = child.Start(descriptors, request["role"], limits)
        pid = kernel.fork()
        if pid == 0:
            _become(start, self._confinement)
        self._children.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        pidfd = os.pidfd_open(pid)
        socket.send_fds(self._control, [json.dumps({"pid": pid}).encode()], [pidfd])
        os.close(pidfd)

    def _end(self, pid: int) -> None:
        _kill(pid)
        _, status, usage = os.wait4(pid, 0)
        self._children.discard(pid)
        if self._confinement.calls is None:  # else it can have no descendants
            _end_orphans(self._children)
        ending = {"status": status, "cpu_seconds": usage.ru_utime + usage.ru_stime}
        self._control.send(json.dumps(ending).encode())


def _become(start: child.Start, confinement: child.Confinement) -> NoReturn:
    try:
        child.run(start, confinement)
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
