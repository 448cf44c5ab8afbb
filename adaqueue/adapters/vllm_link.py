"""HTTP to a vLLM server, or one like it, that may be busy, or dead and being started afresh."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from types import TracebackType
from typing import Any, TypeVar

import httpx

from adaqueue.errors import EngineError, UnavailableError

log = logging.getLogger(__name__)

T = TypeVar("T")

BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
CONNECT_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 3.0
# less than the 5 s after which the server closes an idle connection, perhaps under a request just sent
IDLE_SECONDS = 2.0
STOP_POLL_SECONDS = 0.1
# an engine that dies under the first one is started afresh for the second
PROBES = 3


class RefusedError(EngineError):
    """The server is well and refuses this very prompt."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        away_seconds: while it refuses connections or says that it is busy.
        response_seconds: for the response to what it has accepted.
    """

    away_seconds: float = 600.0
    response_seconds: float = 600.0


@dataclass(frozen=True)
class Reply:
    """What a server said.

    Attributes:
        content: the JSON.
        seconds: from the request that was accepted to its response.
    """

    content: Any
    seconds: float


class VllmLink:
    """Connections to one server, open between `async with` and its end.

    Args:
        url: without `/v1`.
        patience: how long the server is waited for.
        api_key: sent with every request, and in no error or log, even where the server says it back.
    """

    def __init__(self, url: str, patience: Patience, api_key: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._patience = patience
        self._api_key = api_key
        self._away_since: float | None = None
        timeout = httpx.Timeout(patience.response_seconds, connect=CONNECT_SECONDS, pool=None)
        self._client = http_client(self._url, timeout)
        if api_key is not None:
            self._client.headers["Authorization"] = f"Bearer {api_key}"

    async def __aenter__(self) -> VllmLink:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ask(self, path: str, body: Mapping[str, Any] | None) -> Reply:
        """Returns the server's response, to GET where there is no body; waits while it is busy or away.

        Raises:
            RefusedError: it refuses this body; carries its words.
            EngineError: it broke while it worked on this.
            UnavailableError: it was away for too long.
        """
        pause_seconds = FIRST_PAUSE_SECONDS
        method = "GET" if body is None else "POST"
        while isinstance(said := await self._send(method, path, body), str):
            pause_seconds = await self._wait(said, pause_seconds)
        content = self._read(said)
        return Reply(content, said.elapsed.total_seconds())

    async def recovered(self) -> None:
        """Returns once the server says that it is healthy.

        Raises:
            UnavailableError: it was away for too long.
        """
        pause_seconds = FIRST_PAUSE_SECONDS
        while (reason := await self._illness()) is not None:
            pause_seconds = await self._wait(reason, pause_seconds)

    async def _illness(self) -> str | None:
        try:
            said = await self._send("GET", "/health", None)
        except EngineError as error:
            return str(error)
        if isinstance(said, str):
            return said
        return f"{self._url} says {said.status_code}" if said.is_server_error else None

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response | str:
        """Returns the response, or why there is none yet, in words."""
        try:
            response = await self._client.request(method, path, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return f"{self._url} cannot be reached: {error}"
        except httpx.ReadTimeout as error:
            seconds = self._patience.response_seconds
            raise EngineError(f"{self._url} gave no response within {seconds:g} s") from error
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise EngineError(f"the connection to {self._url} broke: {reason}") from error
        if response.status_code in BUSY:
            return f"{self._url} is busy: {self._words(response)}"
        self._away_since = None
        return response

    async def _wait(self, reason: str, pause_seconds: float) -> float:
        """Pauses; returns how long the next pause is."""
        now = time.monotonic()
        if self._away_since is None:
            log.info("waiting: %s", reason)
            self._away_since = now
        away_seconds = now - self._away_since
        if away_seconds >= self._patience.away_seconds:
            raise UnavailableError(f"{reason} (for {away_seconds:.0f} s)")
        await asyncio.sleep(min(pause_seconds, self._patience.away_seconds - away_seconds))
        return min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)

    def _read(self, response: httpx.Response) -> Any:
        if response.is_client_error:
            raise RefusedError(f"{self._url} refuses the prompt: {self._words(response)}")
        if not response.is_success:
            raise EngineError(f"{self._url} broke: {response.status_code} {self._words(response)}")
        try:
            return response.json()
        except ValueError as error:
            raise EngineError(f"{self._url} says what is no JSON: {error}") from error

    def _words(self, response: httpx.Response) -> str:
        words = _message(response)
        if self._api_key is not None:
            words = words.replace(self._api_key, "***")
        return words[:500] or response.reason_phrase


def wait_until_it_works(
    url: str, probe: tuple[str, Mapping[str, Any]], patience_seconds: float, told: Callable[[], bool]
) -> None:
    """Returns once the server answers a probe; whatever else it says of itself may be said by a dead engine.

    Args:
        url: without `/v1`.
        probe: path and body.
        patience_seconds: how long the server is waited for.
        told: whether to stop waiting.

    Raises:
        EngineError: it refuses the probe, breaks on it again and again, was away for too long, or `told()`.
    """
    try:
        reply = asyncio.run(unless(told, _first_reply(url, probe, patience_seconds)))
    except (UnavailableError, TimeoutError) as error:
        reason = str(error) or f"no response within {patience_seconds:g} s"
        raise EngineError(f"{url} does not work: {reason}") from error
    if reply is None:
        raise EngineError(f"told to stop before {url} worked")


async def _first_reply(url: str, probe: tuple[str, Mapping[str, Any]], patience_seconds: float) -> Reply:
    patience = Patience(patience_seconds, patience_seconds)
    # a moment longer, so that a server that is away is called so
    async with asyncio.timeout(patience_seconds + CONNECT_SECONDS), VllmLink(url, patience) as link:
        for _ in range(PROBES - 1):
            try:
                return await link.ask(*probe)
            except RefusedError:
                raise
            except EngineError as error:
                log.warning("%s: asked again", error)
                await link.recovered()
        return await link.ask(*probe)


async def unless(told: Callable[[], bool], work: Coroutine[Any, Any, T]) -> T | None:
    """Returns what the work returns; None where it was cut short because `told()` became true."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            if told():
                return None
            await asyncio.wait([task], timeout=STOP_POLL_SECONDS)
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def http_client(url: str, timeout: httpx.Timeout) -> httpx.AsyncClient:
    """Returns a client with as many connections as it needs, which does not log each request."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_SECONDS)
    # prompts go to one's own server, never through a proxy
    return httpx.AsyncClient(base_url=url, timeout=timeout, limits=limits, verify=_tls(), trust_env=False)


def never() -> bool:
    """Whether to stop: no."""
    return False


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _message(response: httpx.Response) -> str:
    """Returns the message of a response that is an error, as servers of the OpenAI kind give it."""
    try:
        said = response.json()
    except ValueError:
        said = response.text
    if isinstance(said, dict):
        said = said.get("error", said)
    if isinstance(said, dict):
        said = said.get("message", said)
    return str(said)
