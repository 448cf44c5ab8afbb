"""A judge behind any server with OpenAI's chat completions, vLLM's among them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from adaqueue.adapters.judge_prompt import REPLY_TOKENS, SEED, TEMPERATURE, messages, said_yes
from adaqueue.adapters.vllm_link import Patience, RefusedError, Reply, VllmLink
from adaqueue.core.records import Doubt
from adaqueue.errors import EngineError, SettingsError, UnavailableError, VerifierAwayError, VerifierError

log = logging.getLogger(__name__)

PATIENCE = Patience(away_seconds=60.0, response_seconds=120.0)
PAUSES_SECONDS = (0.2, 1.0)
"""Before a question on which the server broke is asked again."""
_KEY = re.compile(r"[!-~]+")


class ApiJudge:
    """Asks a server, many questions at once; one that is busy or away is waited for.

    Args:
        url: of the server, with or without `/v1`.
        model: as the server calls it; one that answers at once, without thinking aloud first.
        api_key: the server's bearer token; it appears in no log and no error.
        in_flight: questions that the server has at a time, at most.
        patience: how long the server is waited for.

    Attributes:
        name: the model.
        revision: what the server said last of the model's origin; empty before the first question, and
            where the server does not tell.

    Raises:
        SettingsError: the key cannot be sent, or the address holds a password.
    """

    def __init__(
        self,
        url: str,
        model: str,
        api_key: str | None = None,
        *,
        in_flight: int = 32,
        patience: Patience = PATIENCE,
    ) -> None:
        if api_key is not None and not _KEY.fullmatch(api_key):
            raise SettingsError("judge_api_key: give printable ASCII characters without spaces")
        if urlsplit(url).username is not None:
            raise SettingsError("judge_url: holds a name or password: give the key as judge_api_key")
        self.name = model
        self.revision = ""
        self._url = url.rstrip("/").removesuffix("/v1")
        self._api_key = api_key
        self._in_flight = in_flight
        self._patience = patience

    def equal(self, doubts: Sequence[Doubt]) -> list[bool]:
        """Returns the judge's words, see `Judge`; not to be called where an event loop runs."""
        if not doubts:
            return []
        try:
            return asyncio.run(self._judge_all(doubts))
        except UnavailableError as error:
            raise VerifierAwayError(f"the judge {self.name}: {error}") from error
        except EngineError as error:
            raise VerifierError(f"the judge {self.name}: {error}") from error

    async def _judge_all(self, doubts: Sequence[Doubt]) -> list[bool]:
        room = asyncio.Semaphore(self._in_flight)
        async with VllmLink(self._url, self._patience, self._api_key) as link:
            self.revision = await self._origin(link)
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._judge(doubt, link, room)) for doubt in doubts]
            except BaseExceptionGroup as broken:
                raise broken.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _judge(self, doubt: Doubt, link: VllmLink, room: asyncio.Semaphore) -> bool:
        body = {
            "model": self.name,
            "messages": messages(doubt),
            "temperature": TEMPERATURE,
            "max_tokens": REPLY_TOKENS,
            "seed": SEED,
        }
        async with room:
            reply = await _ask(link, body)
        return said_yes(self._said(reply))

    def _said(self, reply: Reply) -> str:
        """Returns the reply's text, empty where a server withholds it (`content_filter`)."""
        try:
            choice = reply.content["choices"][0]
            said = choice["message"]["content"]
            end = choice.get("finish_reason")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise EngineError(f"the server says what cannot be read: {error!r}") from error
        if said is None and end == "length":
            raise EngineError(
                f"it thinks longer than {REPLY_TOKENS} tokens: give a model that answers at once"
            )
        if not isinstance(said, str | None):
            raise EngineError("the server says what cannot be read: its content is no text")
        return said or ""

    async def _origin(self, link: VllmLink) -> str:
        """Returns the model's revision or, where it is served under another name, its origin."""
        try:
            content = (await link.ask("/v1/models", None)).content
            (known,) = [entry for entry in content["data"] if entry["id"] == self.name]
            told = [known.get("revision"), known.get("root")]
        except (EngineError, KeyError, TypeError, ValueError, AttributeError) as error:
            log.debug("the server says nothing of %s: %s", self.name, error)
            return ""
        return next((text for text in told if isinstance(text, str) and text != self.name), "")


async def _ask(link: VllmLink, body: Mapping[str, Any]) -> Reply:
    path = "/v1/chat/completions"
    for pause_seconds in PAUSES_SECONDS:
        try:
            return await link.ask(path, body)
        except RefusedError:
            raise
        except EngineError as error:
            log.warning("%s: asked again", error)
            await asyncio.sleep(pause_seconds)
    return await link.ask(path, body)
