"""The launcher of a vLLM server: starts it, starts it again when it ends or hangs, leaves nothing behind."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import subprocess
import time
from pathlib import Path
from threading import Event
from types import TracebackType

import httpx

from adaqueue.adapters.child import Backoff, Child
from adaqueue.adapters.leftovers import end_descendants
from adaqueue.adapters.process_roster import MARK
from adaqueue.adapters.processes import ProcessSpec
from adaqueue.adapters.vllm_link import http_client, unless
from adaqueue.adapters.vllm_options import VllmOptions
from adaqueue.adapters.vllm_pulse import VllmPulse

__all__ = ["VllmOptions", "VllmServer"]

log = logging.getLogger(__name__)

STDERR = Path("/dev/stderr")
# a large model loads, or comes from the hub, for long
START_SECONDS = 3_600.0
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.5
# more than a start takes: a server that dies of its start never counts as healthy
BACKOFF = Backoff(first_seconds=1.0, ceiling_seconds=60.0, healthy_seconds=300.0)


class VllmServer:
    """A vLLM server that serves until it is told to stop.

    Args:
        options: what it serves, and where.
        log_path: where its output goes.
        stall_seconds: so long may it generate nothing before it is asked for a token, and so long may that
            take before it counts as hung.
    """

    def __init__(self, options: VllmOptions, log_path: Path = STDERR, *, stall_seconds: float = 30.0) -> None:
        self._options = options
        self._log_path = log_path
        self._stall_seconds = stall_seconds

    def run(self, stopping: Event) -> None:
        """Runs the server until `stopping` is set, then ends it; call it in the main thread.

        Raises:
            OSError: the program cannot be started.
            UnavailableError: what an earlier launcher left behind cannot be ended.
        """
        name = f"vllm-{self._options.port}"
        spec = ProcessSpec(
            name, self._options.argv(), env=self._options.environment(), grace_seconds=GRACE_SECONDS
        )
        mark = self._mark()
        end_descendants(mark, {name})
        child = Child(spec, self._log_path, mark, BACKOFF)
        with LastWill() as will:
            try:
                asyncio.run(unless(stopping.is_set, self._keep(child, will)))
            finally:
                _stop(child)
                end_descendants(mark, {name})

    def _mark(self) -> str:
        """Returns the supervisor's mark, or one that the next launcher at this address has too."""
        inherited = os.environ.get(MARK, "").partition(":")[0]
        return inherited or hashlib.sha256(self._options.url.encode()).hexdigest()[:32]

    async def _keep(self, child: Child, will: LastWill) -> None:
        child.start()
        async with http_client(self._options.url, httpx.Timeout(self._stall_seconds)) as client:
            while True:
                will.bequeath(child.pid)
                log.info("vLLM is being started at %s, pid %s", self._options.url, child.pid)
                pulse = VllmPulse(client, self._options, self._stall_seconds, START_SECONDS)
                await _watch(child, pulse)
                will.bequeath(None)
                while child.state != "running":
                    await asyncio.sleep(POLL_SECONDS)
                    child.tend()


class LastWill:
    """A tiny process that ends a process group when this process is gone, however it went.

    The kernel tells the server alone, and it cannot end its engine when it is stuck or being started.
    """

    _SCRIPT = 'while read -r group; do last=$group; done; [ -z "$last" ] || kill -s KILL -- "-$last"'

    def __enter__(self) -> LastWill:
        self._executor = subprocess.Popen(
            ("/bin/sh", "-c", self._SCRIPT), stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.kill()
        self._executor.communicate()

    def bequeath(self, group: int | None) -> None:
        """Names the process group that is to end with this process; None is none."""
        assert self._executor.stdin is not None  # noqa: S101 - tells the type checker of the pipe above
        self._executor.stdin.write(f"{group or ''}\n")
        self._executor.stdin.flush()


async def _watch(child: Child, pulse: VllmPulse) -> None:
    """Returns when the server has ended, by itself or because it hung."""
    killed = False
    while not child.tend():
        if not killed and (ailment := await pulse.ailment()) is not None:
            log.error("vLLM is sick and is started afresh: %s", ailment)
            child.kill()
            killed = True
        await asyncio.sleep(POLL_SECONDS)


def _stop(child: Child) -> None:
    child.ask_to_stop()
    deadline = time.monotonic() + GRACE_SECONDS
    while not child.has_stopped():
        if time.monotonic() > deadline:
            child.kill()
        time.sleep(0.02)
