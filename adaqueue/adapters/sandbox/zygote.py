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

from . import child, kernel

# fmt: off
PRELOADED = (
    "abc", "array", "ast", "atexit", "base64", "binascii", "bisect", "builtins", "calendar", "cmath",
    "collections", "collections.abc", "contextlib", "copy", "csv", "dataclasses", "datetime",
    "decimal", "difflib", "enum", "fractions", "functools", "getpass", "glob", "graphlib", "hashlib",
    "heapq", "hmac", "html", "inspect", "io", "itertools", "json", "keyword", "locale", "logging",
    "math", "numbers", "operator", "os", "pathlib", "pickle", "pprint", "queue", "random", "re",
    "secrets", "shutil", "statistics", "string", "struct", "subprocess", "sys", "tempfile", "textwrap",
    "threading", "time", "timeit", "traceback", "types", "typing", "unicodedata", "unittest", "uuid",
    "warnings", "weakref", "zlib",
)
# fmt: on
MOST_MESSAGE_BYTES = 1 << 16


def main() -> None:
    """Serves the supervisor until it closes the connection."""
    control = socket.socket(fileno=0)
    os.environ.clear()
    _warm_up()  # first: what follows may take away the right to read the interpreter's files
    network_cut, mapped = kernel.cut_network()
    kernel.guard_memory()
    kernel.adopt_orphans()
    control.send(json.dumps({"network_cut": network_cut}).encode())
    children: set[int] = set()
    identity = child.Identity.of_zygote(own_user_namespace=mapped)
    try:
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, MOST_MESSAGE_BYTES, 8)
            if not message:
                return
            request = json.loads(message)
            if "end" in request:
                _end(control, request["end"], children)
            else:
                _fork(control, child.Start(identity, descriptors, **request), children)
    finally:
        for pid in list(children):
            _kill(pid)
        _end_orphans(set())


def _warm_up() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    site = importlib.import_module("site")  # `-S` left exit() and help() out
    site.setquit()
    site.sethelper()
    sys.argv = ["solution.py"]
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # a lone surrogate is written rather than refused: the comparison outside rejects it
        cast(io.TextIOWrapper, stream).reconfigure(encoding="utf-8", errors="surrogatepass")
    # what this repairs is in order where one thread forks, and it costs each child a hundred page faults
    threading._after_fork.__code__ = (lambda: None).__code__  # type: ignore[attr-defined]
    gc.collect()
    gc.freeze()


def _fork(control: socket.socket, start: child.Start, children: set[int]) -> None:
    pid = os.fork()
    if pid == 0:
        children.clear()
        _become(start)
    children.add(pid)
    for descriptor in start.descriptors:
        os.close(descriptor)
    pidfd = os.pidfd_open(pid)
    socket.send_fds(control, [json.dumps({"pid": pid}).encode()], [pidfd])
    os.close(pidfd)


def _become(start: child.Start) -> NoReturn:
    try:
        child.run(start)
    finally:
        os._exit(1)


def _end(control: socket.socket, pid: int, children: set[int]) -> None:
    _kill(pid)
    _, status, usage = os.wait4(pid, 0)
    children.discard(pid)
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
