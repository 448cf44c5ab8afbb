"""The zygote: a warm interpreter that holds nothing secret and forks one child for each run.

It answers its supervisor, one request after another, on standard input (a SOCK_SEQPACKET socket):
`{"role": ..., "limits": ...}` with descriptors forks a child and returns its id and a pidfd;
`{"end": id}` kills the child with its descendants and returns how it ended.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn, cast

from . import child, kernel, landlock, reach, room, system_calls

# fmt: off
PRELOADED = (
    "abc", "array", "ast", "atexit", "base64", "binascii", "bisect", "builtins", "calendar", "cmath",
    "collections", "collections.abc", "contextlib", "copy", "csv", "ctypes", "dataclasses", "datetime",
    "decimal", "difflib", "enum", "fractions", "functools", "getpass", "glob", "graphlib", "hashlib",
    "heapq", "hmac", "html", "inspect", "io", "itertools", "json", "keyword", "locale", "logging",
    "math", "numbers", "operator", "os", "pathlib", "pickle", "pprint", "queue", "random", "re",
    "secrets", "shutil", "statistics", "string", "struct", "subprocess", "sys", "tempfile", "textwrap",
    "threading", "time", "timeit", "traceback", "types", "typing", "unicodedata", "unittest", "uuid",
    "warnings", "weakref", "zlib",
)
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
        confinement, room = _confine(tier, [path for paths in libraries.values() for path in paths])
    except OSError as error:
        control.send(json.dumps({"refused": str(error)}).encode())
        return
    control.send(json.dumps({"tier": tier}).encode())
    gc.collect()
    gc.freeze()
    children: set[int] = set()
    try:
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, MOST_MESSAGE_BYTES, 8)
            if not message:
                return
            request = json.loads(message)
            if "end" in request:
                _end(control, request["end"], children, confinement)
            else:
                _fork(control, child.Start(descriptors, **request), confinement, children)
    finally:
        for pid in list(children):
            _kill(pid)
        if room is not None:
            room.close()


def _confine(tier: str, libraries: list[str]) -> tuple[child.Confinement, room.Room | None]:
    """Returns what will hold the children; afterwards this process can do little but fork them.

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
    own_users = own_room is not None and own_room.own_users
    identity = child.Identity.of_zygote(own_user_namespace=own_users)
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
    sys.argv = ["solution.py"]
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # a lone surrogate is written rather than refused: the comparison outside rejects it
        cast(io.TextIOWrapper, stream).reconfigure(encoding="utf-8", errors="surrogatepass")
    with suppress(KeyError):  # libc learns here that no server knows users; later it would ask at a socket
        importlib.import_module("pwd").getpwuid(os.getuid())
    # what this repairs is in order where one thread forks, and it costs each child a hundred page faults
    threading._after_fork.__code__ = (lambda: None).__code__  # type: ignore[attr-defined]


def _fork(
    control: socket.socket, start: child.Start, confinement: child.Confinement, children: set[int]
) -> None:
    pid = os.fork()
    if pid == 0:
        _become(start, confinement)
    children.add(pid)
    for descriptor in start.descriptors:
        os.close(descriptor)
    pidfd = os.pidfd_open(pid)
    socket.send_fds(control, [json.dumps({"pid": pid}).encode()], [pidfd])
    os.close(pidfd)


def _become(start: child.Start, confinement: child.Confinement) -> NoReturn:
    try:
        child.run(start, confinement)
    finally:
        os._exit(1)


def _end(control: socket.socket, pid: int, children: set[int], confinement: child.Confinement) -> None:
    _kill(pid)
    _, status, usage = os.wait4(pid, 0)
    children.discard(pid)
    if confinement.calls is None:  # else a run has no descendants
        _end_orphans(children)
    ending: dict[str, Any] = {"status": status, "cpu_seconds": usage.ru_utime + usage.ru_stime}
    control.send(json.dumps(ending).encode())


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
