"""Tells a vLLM server that works from one that only looks so: `/health` stays green over a hung engine."""

from __future__ import annotations

import time
from http import HTTPStatus

import httpx

from adaqueue.adapters.vllm_options import VllmOptions

# each grows with every token and every prompt
COUNTERS = ("vllm:generation_tokens_total", "vllm:prompt_tokens_total", "vllm:request_success_total")
LOOK_SECONDS = 5.0
# in `stall_seconds`: each costs the server the rendering of all its metrics
LOOKS = 6


class VllmPulse:
    """Watches one life of a server, from its start.

    Args:
        client: with the server's address; its timeout is that of the probe.
        options: of the server.
        stall_seconds: so long may a server stand still before it is probed.
        start_seconds: so long may it take until it is ready.
    """

    def __init__(
        self, client: httpx.AsyncClient, options: VllmOptions, stall_seconds: float, start_seconds: float
    ) -> None:
        self._client = client
        self._probe = options.probe()
        self._stall_seconds = stall_seconds
        self._start_seconds = start_seconds
        self._ready = False
        self._moved_clock = time.monotonic()
        self._count: float | None = None
        self._looked_clock = float("-inf")

    async def ailment(self) -> str | None:
        """Returns what is wrong with it, in words; None while nothing is. May take as long as a probe."""
        if not self._ready:
            return await self._ailment_of_start()
        now = time.monotonic()
        if now - self._looked_clock < self._stall_seconds / LOOKS:
            return None
        self._looked_clock = now
        if await self._moves() or time.monotonic() - self._moved_clock < self._stall_seconds:
            return None
        # a probe may wait behind much work: what moved meanwhile counts as well
        if await self._answers() or await self._moves():
            self._moved_clock = time.monotonic()
            return None
        return f"nothing moved for {time.monotonic() - self._moved_clock:.0f} s"

    async def _ailment_of_start(self) -> str | None:
        self._ready = (await self._get("/health")) is not None
        waited_seconds = time.monotonic() - self._moved_clock
        if self._ready:
            self._moved_clock = time.monotonic()
        elif waited_seconds >= self._start_seconds:
            return f"it was not ready after {waited_seconds:.0f} s"
        return None

    async def _moves(self) -> bool:
        metrics = await self._get("/metrics")
        if metrics is None:
            return False
        lines = [line for line in metrics.splitlines() if line.startswith(COUNTERS)]
        count = sum(float(line.rpartition(" ")[2]) for line in lines)
        moved = count != self._count
        self._count = count
        if moved:
            self._moved_clock = time.monotonic()
        return moved

    async def _answers(self) -> bool:
        path, body = self._probe
        try:
            response = await self._client.post(path, json=body)
        except httpx.TransportError:
            return False
        return response.status_code == HTTPStatus.OK

    async def _get(self, path: str) -> str | None:
        try:
            response = await self._client.get(path, timeout=LOOK_SECONDS)
        except httpx.TransportError:
            return None
        return response.text if response.status_code == HTTPStatus.OK else None
