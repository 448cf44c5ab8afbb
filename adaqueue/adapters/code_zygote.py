"""A zygote as its supervisor sees it: starts runs, waits for them, and says how they ended."""

from __future__ import annotations

import json
import marshal
import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adaqueue.adapters.code_wire import Limits
from adaqueue.adapters.sandbox import child, roles, zygote
from adaqueue.errors import VerifierError

_START_SECONDS = 30.0
_ANSWER_SECONDS = 30.0
_SETTLE_MILLISECONDS = 1000
_PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from sandbox import zygote
del sys.path[0]
zygote.main(**json.loads(sys.argv[2]))
"""
# a library that starts threads cannot be forked; what is linked before a fork need not be after it
_SETTINGS = {"LD_BIND_NOW": "1", **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}}
_NEEDED_BY_SOME_INTERPRETERS = "LD_LIBRARY_PATH"


class ZygoteError(VerifierError):
    """The zygote is dead, or does not do what it must; another may."""


class RefusedError(ZygoteError):
    """The kernel, or its settings, will not isolate runs in this way; says what is missing."""


@dataclass(frozen=True)
class Kind:
    """What a zygote is to be.

    Attributes:
        tier: how its runs are isolated: `A`, `B` or `none`.
        libraries: names of modules to load beside the standard library, and their files and folders.
    """

    tier: str
    libraries: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        fault: `timeout`, `memory_limit`, `output_limit`, `sandbox_violation` or `runtime_error`; None if it
            exited with status 0.
        exit_status: None if a signal ended it.
        by_clock: whether it was the clock that ran out, not the CPU time.
        output: what it wrote to standard output.
    """

    fault: str | None
    exit_status: int | None
    by_clock: bool
    output: bytes


@dataclass(eq=False)
class Run:
    """One child at work; its descriptors are closed when it ends."""

    pid: int
    pidfd: int
    limits: Limits
    cpu_seconds: float
    deadline: float
    payload: int
    outputs: tuple[int, int]
    late: bool = field(default=False)

    def wait(self) -> None:
        """Waits until the child has ended or its time by the clock is up."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        self.late = not poll.poll(max(0.0, self.deadline - time.monotonic()) * 1000)

    def cpu_seconds_used(self) -> float:
        """Returns how much CPU time the child has used, whatever it did to its own limit; 0 if it is gone."""
        try:
            return time.clock_gettime(_processor_clock(self.pid))
        except OSError:
            return 0.0

    def settle(self) -> None:
        """Gives a child that closed its channel a moment to die by itself: its status tells why."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        poll.poll(_SETTLE_MILLISECONDS)

    def close(self) -> None:
        """Closes what the run held."""
        for descriptor in (self.pidfd, self.payload, *self.outputs):
            os.close(descriptor)


class Zygote:
    """A warm interpreter in a process of its own; to be used by one thread at a time.

    Args:
        kind: what it is to be.

    Raises:
        RefusedError: by the constructor: this machine cannot isolate runs so.
        ZygoteError: by every method: the zygote is dead, or does not do what it must; start another.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        words = json.dumps({"tier": kind.tier, "libraries": dict(kind.libraries)})
        self._runs: set[Run] = set()
        self._control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inside:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(Path(__file__).parent), words],
                stdin=inside.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                cwd="/",
                start_new_session=True,
            )
        self._control.settimeout(_START_SECONDS)
        try:
            answer = json.loads(self._receive())
            if answer.get("tier") != kind.tier:
                raise RefusedError(str(answer.get("refused")))
        except ZygoteError:
            self.close()
            raise
        self._control.settimeout(_ANSWER_SECONDS)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def start(
        self,
        role: str,
        payload: dict[str, Any],
        limits: Limits,
        stdin: bytes = b"",
        channel: socket.socket | None = None,
        parts: int = 1,
    ) -> Run:
        """Starts a child.

        Args:
            role: `program`, `calls` or `check`.
            payload: what the role needs; passes the zygote unread.
            limits: of the child.
            stdin: what it can read.
            channel: its end of a stream; stays open here.
            parts: how many times it may use the limit of CPU time.
        """
        packed = marshal.dumps(payload)
        files = [_file(packed), _file(stdin), _file(b""), _file(b"")]
        order = _order(role, len(packed), limits, parts)
        deadline = time.monotonic() + limits.wall_seconds
        try:
            pid, pidfd = self._fork(order, [*files, *([channel.fileno()] if channel else [])])
        except ZygoteError:
            for file in files:
                os.close(file)
            raise
        os.close(files[1])
        run = Run(pid, pidfd, limits, limits.cpu_seconds * parts, deadline, files[0], (files[2], files[3]))
        self._runs.add(run)
        return run

    def end(self, run: Run) -> Ending:
        """Kills what is left of a run, and returns how it ended."""
        cpu_seconds = run.cpu_seconds_used()
        status = self._ask(zygote.NUMBER.pack(run.pid))
        if os.fstat(run.payload).st_size > 0:
            raise ZygoteError("a run ended before its limits were in force")
        sizes = [os.fstat(output).st_size for output in run.outputs]
        output = os.pread(run.outputs[0], min(sizes[0], run.limits.output_bytes), 0)
        self._runs.remove(run)
        run.close()
        return _ending(run, status, cpu_seconds, max(sizes), output)

    def stop(self) -> None:
        """Makes the zygote end itself and everything that it started; any thread may ask for it."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the zygote and everything that it started."""
        self.stop()
        self._control.close()
        for run in self._runs:
            run.close()
        self._runs.clear()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _fork(self, order: bytes, descriptors: Sequence[int]) -> tuple[int, int]:
        pid = self._ask(order, descriptors)
        try:
            return pid, os.pidfd_open(pid)  # the number stays this child's until the zygote is told to end it
        except OSError as error:
            raise ZygoteError(f"the zygote is gone: {error}") from error

    def _ask(self, request: bytes, descriptors: Sequence[int] = ()) -> int:
        try:
            if descriptors:
                socket.send_fds(self._control, [request], descriptors)
            else:
                self._control.send(request)
        except OSError as error:
            raise ZygoteError(f"the zygote is gone: {error}") from error
        (number,) = zygote.NUMBER.unpack(self._receive())
        return int(number)

    def _receive(self) -> bytes:
        try:
            message = self._control.recv(1 << 16)
        except OSError as error:
            raise ZygoteError(f"the zygote does not answer: {error}") from error
        if not message:
            raise ZygoteError("the zygote is gone")
        return message


def _order(role: str, payload_bytes: int, limits: Limits, parts: int) -> bytes:
    seconds = math.ceil(limits.cpu_seconds)
    return child.ORDER.pack(
        child.ROLES.index(role),
        payload_bytes,
        seconds,
        seconds * parts + 1,
        limits.memory_mebibytes << 20,
        limits.output_bytes,
    )


def _processor_clock(pid: int) -> int:
    """Returns the clock of a process's CPU time, as the kernel numbers them."""
    return ~pid << 3 | 2


def _environment() -> dict[str, str]:
    path = os.environ.get(_NEEDED_BY_SOME_INTERPRETERS)
    return _SETTINGS if path is None else {**_SETTINGS, _NEEDED_BY_SOME_INTERPRETERS: path}


def _file(content: bytes) -> int:
    descriptor = os.memfd_create("run")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _ending(run: Run, status: int, cpu_seconds: float, size: int, output: bytes) -> Ending:
    killer = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    exit_status = os.WEXITSTATUS(status) if killer is None else None
    out_of_cpu = killer == signal.SIGXCPU or cpu_seconds > run.cpu_seconds
    fault = None
    if killer == signal.SIGXFSZ or size >= run.limits.output_bytes:
        fault = "output_limit"
    elif run.late or out_of_cpu:
        fault = "timeout"
    elif killer == signal.SIGSYS:
        fault = "sandbox_violation"
    elif exit_status == roles.OUT_OF_MEMORY:
        fault = "memory_limit"
    elif exit_status != 0:
        fault = "runtime_error"
    return Ending(fault, exit_status, run.late and not out_of_cpu, output)
