"""How a vLLM server of our own is started."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from transformers import AutoConfig

from adaqueue.adapters.vllm_installation import is_for_cpu

_MODULE = "vllm.entrypoints.openai.api_server"


@dataclass(frozen=True)
class VllmOptions:
    """What a vLLM server serves, and where.

    Attributes:
        source: a folder, or a name on the model hub; its code is never run.
        name: under which clients ask for it.
        port: to listen at.
        max_num_seqs: samples (prompts, for features) that it works on at a time.
        kind: `generate` draws samples, `pooling` computes features.
        host: to listen at.
        max_model_len: most tokens of a prompt and its response; None leaves it to the model.
        pooling: of features: `last`, the prompt's last token, or `mean`, the mean over its tokens.
        extra: further options of vLLM's own; they win over those above.
    """

    source: str
    name: str
    port: int
    max_num_seqs: int
    kind: Literal["generate", "pooling"] = "generate"
    host: str = "127.0.0.1"
    max_model_len: int | None = None
    pooling: Literal["last", "mean"] = "last"
    extra: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{self.host}:{self.port}"

    def argv(self) -> tuple[str, ...]:
        """Returns program and arguments."""
        given = {
            "model": self.source,
            "served-model-name": self.name,
            "host": self.host,
            "port": str(self.port),
            "max-num-seqs": str(self.max_num_seqs),
            "dtype": _dtype(self.source),
            # the model's own defaults for sampling are not ours
            "generation-config": "vllm",
            **({} if self.max_model_len is None else {"max-model-len": str(self.max_model_len)}),
            **(self._pooler() if self.kind == "pooling" else {}),
        }
        options = [word for name, value in given.items() for word in (f"--{name}", value)]
        flags = ["--disable-uvicorn-access-log"]
        if self.kind == "generate" and is_for_cpu():
            # a prompt cut in two makes 0.32 turn its seed's generator back, which ends the engine on a CPU
            flags.append("--no-enable-chunked-prefill")
        return (sys.executable, "-m", _MODULE, *options, *flags, *self.extra)

    def _pooler(self) -> dict[str, str]:
        """The hidden state as it is, not normalised."""
        config = {"task": "embed", "pooling_type": self.pooling.upper(), "use_activation": False}
        return {"runner": "pooling", "pooler-config": json.dumps(config)}

    def environment(self) -> Mapping[str, str]:
        """Returns the server's whole environment: ours, with defaults that suit it."""
        defaults = {"VLLM_CPU_KVCACHE_SPACE": "1"}
        # titles of processes must not be written over the environment, whose mark tells whose they are
        fixed = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "SPT_NOENV": "1"}
        return defaults | os.environ | fixed

    def probe(self) -> tuple[str, dict[str, Any]]:
        """Returns path and body of the smallest thing that it can be asked for."""
        if self.kind == "pooling":
            return "/v1/embeddings", {"model": self.name, "input": [[0]]}
        return "/v1/completions", {"model": self.name, "prompt": [0], "max_tokens": 1, "temperature": 0.0}


def _dtype(source: str) -> str:
    """The one in which transformers runs the model: left to itself, vLLM halves what is stored in float32."""
    if is_for_cpu():
        return "float32"
    config: Any = AutoConfig.from_pretrained(source)
    return "auto" if config.dtype is None else str(config.dtype).removeprefix("torch.")
