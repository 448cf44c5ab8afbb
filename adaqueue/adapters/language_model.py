"""A causal language model with its tokenizer, as transformers loads it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer

from adaqueue.core.query import Message
from adaqueue.core.specs import digest
from adaqueue.errors import EngineError


class LanguageModel:
    """The base model that samplers and features share.

    Args:
        source: a folder, or a name on the model hub; its code is never run (`trust_remote_code` stays off).
        name: what the ledger calls it.

    Attributes:
        revision: digest of the weights (a folder), or the hub's commit.
        template: digest of the chat template.
        stops: tokens that end a response.
    """

    def __init__(self, source: str, name: str) -> None:
        self.name = name
        self.tokenizer: Any = AutoTokenizer.from_pretrained(source)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.float32 if device == "cpu" else "auto"
        model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=dtype)
        self.model = model.to(device).eval()
        self.revision = _revision(source, self.model)
        self.template = digest({"template": self.tokenizer.chat_template or ""})
        self.stops = _stops(self.tokenizer.eos_token_id, self.model.generation_config.eos_token_id)

    @property
    def longest(self) -> int:
        """Most tokens of a prompt and its response together."""
        return int(self.model.config.max_position_embeddings)

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Returns the prompt's token ids, at least one, the chat template applied once.

        Raises:
            EngineError: the template refuses the messages, or nothing of the prompt is left.
        """
        try:
            ids = self._encode(messages)
        except TemplateError as error:
            raise EngineError(f"the chat template of {self.name} refuses the prompt: {error}") from error
        if not ids:
            raise EngineError(f"a prompt is no token at all to {self.name}")
        return ids

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        if self.tokenizer.chat_template is None:
            text = "\n".join(message["content"] for message in messages)
            return list(self.tokenizer(text)["input_ids"])
        encoded = self.tokenizer.apply_chat_template(
            [dict(message) for message in messages], add_generation_prompt=True, return_dict=True
        )
        return list(encoded["input_ids"])

    def pad(self, prompts: Sequence[list[int]], side: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns ids and attention mask, both int64[n, longest], padded on `left` or `right`."""
        longest = max(len(prompt) for prompt in prompts)
        filler = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        ids = torch.full((len(prompts), longest), filler)
        mask = torch.zeros((len(prompts), longest), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            place = slice(0, len(prompt)) if side == "right" else slice(longest - len(prompt), longest)
            ids[row, place] = torch.tensor(prompt)
            mask[row, place] = 1
        return ids.to(self.model.device), mask.to(self.model.device)

    def check_length(self, prompt: Sequence[int], response_tokens: int) -> None:
        """Refuses a prompt that leaves no room for a response.

        Raises:
            EngineError: names both lengths.
        """
        if len(prompt) + response_tokens > self.longest:
            raise EngineError(
                f"a prompt of {len(prompt)} tokens with up to {response_tokens} more exceeds "
                f"the {self.longest} tokens of {self.name}"
            )


def _stops(*given: int | list[int] | None) -> frozenset[int]:
    """Models of several kinds of turns name several such tokens, their tokenizer one."""
    listed = [ids if isinstance(ids, list) else [ids] for ids in given if ids is not None]
    return frozenset(token for ids in listed for token in ids)


def _revision(source: str, model: Any) -> str:
    folder = Path(source)
    if not folder.is_dir():
        return str(model.config._commit_hash)
    state = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin")):
        with file.open("rb") as weights:
            state.update(file.name.encode() + hashlib.file_digest(weights, "sha256").digest())
    return state.hexdigest()[:16]
