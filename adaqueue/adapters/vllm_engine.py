"""The `vllm` engine: a client of a server that draws, whatever happens to that server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Event
from uuid import UUID

from adaqueue.adapters.prompt_encoder import PromptEncoder
from adaqueue.adapters.vllm_link import Patience, RefusedError, VllmLink, never, unless, wait_until_it_works
from adaqueue.adapters.vllm_wave import Wave, waves
from adaqueue.core.records import Sample, Unit
from adaqueue.core.specs import Sampling
from adaqueue.errors import EngineError, UnavailableError

log = logging.getLogger(__name__)

COMPLETIONS = "/v1/completions"
Inflow = SimpleQueue[list[Sample] | None]


class VllmEngine:
    """Draws over HTTP, many queries at once.

    A query's samples share one request where their seeds follow one another. A server that is busy or being
    started afresh is waited for, and no query is charged; what it had accepted when it died is.

    Args:
        url: of a server that takes token ids as prompts, without `/v1`.
        prompts: of the model that it serves.
        sampling: how to draw.
        in_flight: samples that the server is asked for at a time; more than it draws at once, so that the
            next ones already wait there.
        stopping: once true, what is in flight is given up.
        patience: how long the server is waited for.
    """

    def __init__(
        self,
        url: str,
        prompts: PromptEncoder,
        sampling: Sampling,
        *,
        in_flight: int,
        stopping: Callable[[], bool] = never,
        patience: Patience | None = None,
    ) -> None:
        self.decoder = prompts.name
        self.sampling = sampling
        self._url = url
        self._prompts = prompts
        self._in_flight = in_flight
        self._stopping = stopping
        self._patience = patience or Patience()

    def draw(self, units: Sequence[Unit]) -> Iterator[list[Sample]]:
        """Yields responses as they come in, see `Engine`; faults are raised after all others were yielded."""
        prompts, refusal = self._prompts.encode_queries(units, self.sampling.max_tokens)
        # vLLM takes a greedy prompt once a request only
        most = self._in_flight if self.sampling.temperature > 0 else 1
        faults = yield from self._responses(waves(units, prompts, most))
        if refusal is not None:
            faults.append(str(refusal))
        if faults and not self._stopping():
            others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            raise EngineError(faults[0] + others)

    def works(self) -> bool:
        """Draws one token, see `Engine`; waits for a server that is being started afresh."""
        try:
            self.wait_ready(self._patience.away_seconds)
        except EngineError as error:
            log.error("the engine can draw nothing: %s", error)
            return False
        return True

    def wait_ready(self, patience_seconds: float) -> None:
        """Returns once the server draws.

        Raises:
            EngineError: it refuses to, it was away for too long, or this process is told to stop.
        """
        unit = Unit(UUID(int=0), 0, 0, (), None)
        wave = Wave((unit,), [min(self._prompts.stops, default=0)])
        body = wave.body(Sampling(self.sampling.model, 0.0, 1), self._prompts)
        wait_until_it_works(self._url, (COMPLETIONS, body), patience_seconds, self._stopping)

    def _responses(self, asked: Sequence[Wave]) -> Generator[list[Sample], None, list[str]]:
        """Yields responses and returns faults; whoever leaves early leaves no request behind."""
        inflow: Inflow = SimpleQueue()
        abandoned = Event()
        with ThreadPoolExecutor(1, "vllm") as pool:
            work = pool.submit(self._serve, asked, inflow.put, lambda: abandoned.is_set() or self._stopping())
            work.add_done_callback(lambda _: inflow.put(None))
            try:
                yield from _gathered(inflow, self._in_flight)
            finally:
                abandoned.set()
        return work.result()

    def _serve(
        self, asked: Sequence[Wave], deliver: Callable[[list[Sample]], None], told: Callable[[], bool]
    ) -> list[str]:
        try:
            return asyncio.run(unless(told, self._draw_all(asked, deliver))) or []
        except UnavailableError as error:
            raise EngineError(str(error)) from error

    async def _draw_all(self, asked: Sequence[Wave], deliver: Callable[[list[Sample]], None]) -> list[str]:
        faults: list[str] = []
        room = _Room(self._in_flight)
        try:
            async with VllmLink(self._url, self._patience) as link, asyncio.TaskGroup() as group:
                for wave in asked:
                    await room.take(len(wave.units))
                    group.create_task(self._draw_one(wave, link, room, deliver, faults))
        except BaseExceptionGroup as broken:
            raise broken.exceptions[0] from None
        return faults

    async def _draw_one(
        self,
        wave: Wave,
        link: VllmLink,
        room: _Room,
        deliver: Callable[[list[Sample]], None],
        faults: list[str],
    ) -> None:
        try:
            reply = await link.ask(COMPLETIONS, wave.body(self.sampling, self._prompts))
            deliver(wave.samples(reply, self._prompts))
        except RefusedError as error:
            faults.append(str(error))
        except EngineError as error:
            faults.append(str(error))
            # its place stays taken meanwhile: a dying engine must not be given everything that waits
            await link.recovered()
        finally:
            room.give(len(wave.units))


class _Room:
    """Places for samples in flight."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._given = asyncio.Event()

    async def take(self, places: int) -> None:
        """Waits until so many places are free."""
        while self._free < places:
            self._given.clear()
            await self._given.wait()
        self._free -= places

    def give(self, places: int) -> None:
        """Frees places."""
        self._free += places
        self._given.set()


def _gathered(inflow: Inflow, most: int) -> Iterator[list[Sample]]:
    """Yields what has come in since the last time, at most so many samples together."""
    held: list[Sample] = []
    while True:
        try:
            samples = inflow.get(block=not held)
        except Empty:
            yield held
            held = []
            continue
        if held and (samples is None or len(held) + len(samples) > most):
            yield held
            held = []
        if samples is None:
            return
        held = held + samples
