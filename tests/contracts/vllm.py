"""Real vLLM servers for tests; each is kept by its launcher in a process of its own: this module, run."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from adaqueue.adapters.processes import stop_with_parent
from adaqueue.adapters.vllm_installation import remedy
from adaqueue.adapters.vllm_link import never, wait_until_it_works
from adaqueue.adapters.vllm_options import VllmOptions
from adaqueue.adapters.vllm_server import VllmServer
from adaqueue.errors import EngineError

# a machine with two cores and much else to do was seen to need 150
START_SECONDS = 400.0
with_starts = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        options: what it serves.
        launcher: the process that keeps it.
        log: what both print.
    """

    options: VllmOptions
    launcher: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return self.options.url

    def wait(self) -> None:
        try:
            wait_until_it_works(self.url, self.options.probe(), START_SECONDS, never)
        except EngineError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()[-6_000:]}") from error


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    source: Path,
    log: Path,
    kind: str = "generate",
    name: str = "tiny",
    stall_seconds: float = 30.0,
    pooling: str = "last",
) -> Iterator[Served]:
    """Yields a server that works."""
    with launched(source, log, kind, name, stall_seconds, pooling) as server:
        server.wait()
        yield server
    assert server.launcher.returncode == 0


@contextmanager
def launched(
    source: Path,
    log: Path,
    kind: str = "generate",
    name: str = "tiny",
    stall_seconds: float = 30.0,
    pooling: str = "last",
) -> Iterator[Served]:
    """Yields a server that is being started; says why where vLLM cannot run."""
    if (missing := remedy()) is not None:
        pytest.skip(missing)
    options = {
        "source": str(source),
        "name": name,
        "port": free_port(),
        "max_num_seqs": 64,
        "kind": kind,
        "pooling": pooling,
        "extra": ["--enforce-eager"],
    }
    argument = json.dumps({"options": options, "stall_seconds": stall_seconds, "parent": os.getpid()})
    with log.open("ab") as output:
        launcher = subprocess.Popen(
            (sys.executable, "-m", "tests.contracts.vllm", argument), stdout=output, stderr=output
        )
    try:
        yield Served(_options(options), launcher, log)
    finally:
        launcher.terminate()
        launcher.wait(60)


def _options(given: dict[str, object]) -> VllmOptions:
    return VllmOptions(**{**given, "extra": tuple(given["extra"])})  # type: ignore[arg-type] # from JSON


def main() -> None:
    given = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO)
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    stop_with_parent(given["parent"])
    VllmServer(_options(given["options"]), stall_seconds=given["stall_seconds"]).run(stopping)


if __name__ == "__main__":
    main()
