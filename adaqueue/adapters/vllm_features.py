"""Features from a pooling server of vLLM: the same vectors that transformers gives, the same fingerprint."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adaqueue.adapters.prompt_encoder import PromptEncoder
from adaqueue.adapters.vllm_installation import is_for_cpu
from adaqueue.adapters.vllm_link import Patience, VllmLink, never, wait_until_it_works
from adaqueue.core.query import Message
from adaqueue.errors import EngineError

BATCH = 64
FLOAT_BYTES = 4
EMBEDDINGS = "/v1/embeddings"


class VllmFeatures:
    """Asks a server that runs with `VllmOptions(kind="pooling")`.

    Args:
        url: of the server, without `/v1`.
        prompts: of the model that it serves.
        patience: how long the server is waited for.
        pooling: that the server was started with.
    """

    def __init__(
        self,
        url: str,
        prompts: PromptEncoder,
        patience: Patience | None = None,
        pooling: str = "last",
    ) -> None:
        self.spec = prompts.feature_spec(pooling=pooling, dtype="float32" if is_for_cpu() else None)
        self._url = url
        self._prompts = prompts
        self._patience = patience or Patience()

    def vectors(self, prompts: Sequence[tuple[Message, ...]]) -> list[bytes]:
        """Returns float32 vectors, see `FeatureProvider`.

        Raises:
            EngineError: the server refuses or breaks on this batch.
            UnavailableError: it was away for too long; says nothing of the batch.
        """
        encoded = [self._prompts.encode(messages)[-self.spec.most_tokens :] for messages in prompts]
        return asyncio.run(self._ask_all(encoded)) if encoded else []

    def wait_ready(self, patience_seconds: float, stopping: Callable[[], bool] = never) -> None:
        """Returns once the server computes features.

        Raises:
            EngineError: it refuses to, it was away for too long, or this process is told to stop.
        """
        probe = (EMBEDDINGS, self._body([[min(self._prompts.stops, default=0)]]))
        wait_until_it_works(self._url, probe, patience_seconds, stopping)

    async def _ask_all(self, encoded: Sequence[list[int]]) -> list[bytes]:
        """All batches are under way at once: while one is written or read, the server computes another."""
        batches = [encoded[start : start + BATCH] for start in range(0, len(encoded), BATCH)]
        async with VllmLink(self._url, self._patience) as link:
            replies = await asyncio.gather(*(link.ask(EMBEDDINGS, self._body(batch)) for batch in batches))
        read = [self._read(said.content, len(batch)) for said, batch in zip(replies, batches, strict=True)]
        return [vector for vectors in read for vector in vectors]

    def _body(self, encoded: Sequence[list[int]]) -> dict[str, Any]:
        return {
            "model": self._prompts.name,
            "input": encoded,
            "encoding_format": "base64",
            "embed_dtype": "float32",
            "endianness": "native",
            "use_activation": False,
        }

    def _read(self, content: Mapping[str, Any], expected: int) -> list[bytes]:
        try:
            rows = sorted(content["data"], key=lambda row: row["index"])
            vectors = [base64.b64decode(row["embedding"]) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(f"features: the server says what cannot be read: {error!r}") from error
        if len(vectors) != expected or any(len(row) != FLOAT_BYTES * self.spec.size for row in vectors):
            raise EngineError(f"features: the server gave other than {expected} vectors of {self.spec.size}")
        return vectors
