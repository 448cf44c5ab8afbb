"""A sandbox process: runs programs against their tests for whoever asks on a Unix socket, with warm zygotes.

It needs no network and holds no secret; whoever can open the socket can have programs run.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Semaphore, Thread

from adaqueue.adapters.code_isolation import TIERS, Isolation, establish, located
from adaqueue.adapters.code_runs import run_tests
from adaqueue.adapters.code_wire import MOST_REQUEST_BYTES, STARTED, Report, Request
from adaqueue.adapters.code_zygote import Kind, Zygote, ZygoteError
from adaqueue.adapters.sandbox import frames
from adaqueue.errors import VerifierError

log = logging.getLogger(__name__)

_MOST_IDLE_ZYGOTES = 4
_POLL_SECONDS = 0.1
_STOP_SECONDS = 5.0


def serve(
    path: Path,
    stopping: Event,
    libraries: Sequence[str] = ("numpy",),
    *,
    run_code_without_isolation: bool = False,
    tiers: Sequence[str] = TIERS,
) -> None:
    """Serves until `stopping` is set; then stops what runs, and removes the socket.

    Args:
        path: of the socket; its folder is made, private to this user; a stale socket there is replaced.
        stopping: ends it.
        libraries: modules, installed here, that programs may import beside the standard library.
        run_code_without_isolation: serve even where this machine isolates nothing; every verdict says so.
        tiers: of isolation that may be used, strongest first.

    Raises:
        VerifierError: programs cannot be run, or not be isolated, on this machine.
    """
    files = located(libraries)
    isolation, zygote = establish(tiers, or_none=run_code_without_isolation)
    _tell(isolation)
    server = _Server(stopping, Kind(isolation.tier), Kind(isolation.tier, files), zygote)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _listen(path) as listener:
        try:
            while not stopping.is_set():
                with suppress(TimeoutError):
                    server.welcome(listener.accept()[0])
        finally:
            path.unlink(missing_ok=True)
            server.close()


def _tell(isolation: Isolation) -> None:
    why = f" ({'; '.join(isolation.refused)})" if isolation.refused else ""
    level = logging.WARNING if isolation.tier == "none" else logging.INFO
    log.log(level, "programs run with isolation tier %s%s", isolation.tier, why)


def _listen(path: Path) -> socket.socket:
    """Returns a listening socket that appears under its name complete, and private."""
    # the socket's own name: in containers that share the folder, processes share their numbers
    new = path.with_name(f".{path.stem}")
    new.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(new))
    new.chmod(0o600)
    listener.listen(64)
    listener.settimeout(_POLL_SECONDS)
    os.replace(new, path)
    return listener


class _Server:
    """Connections, each with a thread and a zygote of its own while it lasts."""

    def __init__(self, stopping: Event, plain: Kind, with_libraries: Kind, zygote: Zygote) -> None:
        self._stopping = stopping
        self._plain = plain
        self._with_libraries = with_libraries
        names = "|".join(name for name, _ in with_libraries.libraries)
        self._mention = re.compile(rf"\b(?:{names})\b") if names else None
        # one program at a time: neighbours of its own would take the time that its limits count
        self._turn = Semaphore()
        self._lock = Lock()
        self._idle = [zygote]
        self._busy: set[Zygote] = set()
        self._connections: dict[socket.socket, Thread] = {}

    def welcome(self, connection: socket.socket) -> None:
        """Serves a connection from now on."""
        connection.setblocking(True)
        thread = Thread(target=self._serve, args=(connection,), daemon=True)
        with self._lock:
            self._connections[connection] = thread
        thread.start()

    def close(self) -> None:
        """Ends all connections and zygotes."""
        with self._lock:
            threads = list(self._connections.values())
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for zygote in self._busy:
                zygote.stop()
        for thread in threads:
            thread.join(_STOP_SECONDS)
        for zygote in self._idle:
            zygote.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                while not self._stopping.is_set():
                    request = Request.from_bytes(frames.receive(connection, MOST_REQUEST_BYTES))
                    with self._turn:
                        frames.send(connection, STARTED)
                        report = self._report(request)
                    frames.send(connection, report.to_bytes())
        except ConnectionError:
            log.debug("a connection ended")
        except (OSError, frames.TooLargeError, ValueError, TypeError, KeyError) as error:
            log.error("a connection is given up: %s", error)
        finally:
            with self._lock:
                del self._connections[connection]

    def _report(self, request: Request) -> Report:
        started = time.perf_counter()
        kind = self._kind(request)
        try:
            tests = self._verdicts(kind, request)
        except VerifierError as error:
            log.error("not verified: %s", error)
            return Report("not_verified", (), str(error), None, time.perf_counter() - started)
        except Exception as error:  # whatever a program may bring about here, only its own verdict is lost
            log.exception("not verified")
            return Report("not_verified", (), f"the sandbox: {error!r}", None, time.perf_counter() - started)
        failed = [test for test in tests if test != "passed"]
        verdict = failed[0] if failed else "passed"
        return Report(verdict, tuple(tests), request.route, kind.tier, time.perf_counter() - started)

    def _verdicts(self, kind: Kind, request: Request) -> list[str]:
        """Returns the tests' verdicts; a zygote that died, which no program can bring about, is replaced."""
        try:
            return self._run(kind, request)
        except ZygoteError as error:
            if self._stopping.is_set():
                raise
            log.warning("another zygote takes over: %s", error)
        return self._run(kind, request)

    def _run(self, kind: Kind, request: Request) -> list[str]:
        zygote = self._take(kind)
        try:
            tests = run_tests(zygote, request)
        except BaseException:
            self._drop(zygote)
            raise
        self._give(zygote)
        return tests

    def _kind(self, request: Request) -> Kind:
        """Returns the zygote's kind: libraries make forks dearer, so only programs that name them pay."""
        texts = (*request.sources, request.definitions, str(request.reference.get("check", "")))
        mentioned = self._mention is not None and any(map(self._mention.search, texts))
        return self._with_libraries if mentioned else self._plain

    def _take(self, kind: Kind) -> Zygote:
        with self._lock:
            fitting = [zygote for zygote in self._idle if zygote.kind == kind]
            if fitting:
                self._idle.remove(fitting[-1])
        zygote = fitting[-1] if fitting else Zygote(kind)
        with self._lock:
            self._busy.add(zygote)
        if self._stopping.is_set():
            zygote.stop()
        return zygote

    def _give(self, zygote: Zygote) -> None:
        with self._lock:
            self._busy.discard(zygote)
            if len(self._idle) < _MOST_IDLE_ZYGOTES and not self._stopping.is_set():
                self._idle.append(zygote)
                return
        zygote.close()

    def _drop(self, zygote: Zygote) -> None:
        with self._lock:
            self._busy.discard(zygote)
        zygote.close()
