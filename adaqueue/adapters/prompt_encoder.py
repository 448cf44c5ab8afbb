"""What is known of a language model without its weights: tokens, template, ends, lengths, identity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from jinja2 import TemplateError
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from adaqueue.core.query import Message
from adaqueue.core.records import Unit
from adaqueue.core.specs import FeatureSpec, digest
from adaqueue.errors import EngineError, SettingsError


class PromptEncoder:
    """Turns prompts into tokens and tokens into text; loads no weights.

    Args:
        source: a folder, or a name on the model hub; its code is never run (`trust_remote_code` stays off).
        name: what the ledger calls the model.

    Attributes:
        revision: digest of the weights (a folder), or the hub's commit.
        template: digest of the chat template.
        stops: tokens that end a response.
        longest: most tokens of a prompt and its response together.
        layers: how many hidden layers it has, the embeddings not counted.
        size: length of a hidden state.
        dtype: in which the weights are stored; a model that is loaded: in which it runs.
    """

    def __init__(self, source: str, name: str) -> None:
        self.name = name
        self.tokenizer: Any = AutoTokenizer.from_pretrained(source)
        config: Any = AutoConfig.from_pretrained(source)
        text_config = config.get_text_config(decoder=True)
        self.revision = revision_of(source, config)
        self.template = digest({"template": self.tokenizer.chat_template or ""})
        self.stops = _stops(self.tokenizer.eos_token_id, _generation_ends(source, text_config))
        self.longest = int(text_config.max_position_embeddings)
        self.layers = int(text_config.num_hidden_layers)
        self.size = int(text_config.hidden_size)
        self.dtype = "auto" if config.dtype is None else str(config.dtype).removeprefix("torch.")

    def feature_spec(self, layer: int = -1, pooling: str = "last", dtype: str | None = None) -> FeatureSpec:
        """Returns which vectors this model's features are.

        Args:
            layer: hidden layer, 0 the embeddings, or counted from the end: -1 the last.
            pooling: `last` or `mean`, see `FeatureSpec`.
            dtype: in which the model runs; absent: `self.dtype`.

        Raises:
            SettingsError: the model has no such layer.
        """
        from_end = layer if layer < 0 else layer - self.layers - 1
        if not -self.layers - 1 <= from_end < 0:
            raise SettingsError(
                f"features_layer: {layer}: {self.name} has {self.layers} layers: "
                f"give one of {-self.layers - 1} (the embeddings) to {self.layers} (the last, also -1)"
            )
        return FeatureSpec(
            model=self.name,
            revision=self.revision,
            layer=from_end,
            pooling=pooling,
            final_norm=from_end == -1,
            template=self.template,
            size=self.size,
            dtype=dtype or self.dtype,
            most_tokens=self.longest,
        )

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

    def encode_queries(
        self, units: Iterable[Unit], response_tokens: int
    ) -> tuple[dict[UUID, list[int]], EngineError | None]:
        """Returns each query's token ids, and what is wrong with the prompts that are left out."""
        prompts: dict[UUID, list[int]] = {}
        refusal = None
        for query_id, messages in {unit.query_id: unit.messages for unit in units}.items():
            try:
                prompt = self.encode(messages)
                self.check_length(prompt, response_tokens)
                prompts[query_id] = prompt
            except EngineError as error:
                refusal = error
        return prompts, refusal

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

    def decode(self, tokens: Sequence[int]) -> str:
        """Returns a response's text, without special tokens, as Postgres can keep it."""
        text: str = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        return without_nul(text)

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        if self.tokenizer.chat_template is None:
            text = "\n".join(message["content"] for message in messages)
            return list(self.tokenizer(text)["input_ids"])
        encoded = self.tokenizer.apply_chat_template(
            [dict(message) for message in messages], add_generation_prompt=True, return_dict=True
        )
        return list(encoded["input_ids"])


def revision_of(source: str, config: Any) -> str:
    """Returns the digest of the weights in a folder, or the hub's commit of a name."""
    folder = Path(source)
    if not folder.is_dir():
        return str(config._commit_hash)
    state = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin")):
        with file.open("rb") as weights:
            state.update(file.name.encode() + hashlib.file_digest(weights, "sha256").digest())
    return state.hexdigest()[:16]


def without_nul(text: str) -> str:
    """Returns the text with a mark in place of each NUL, which Postgres cannot keep."""
    return text.replace("\x00", "\ufffd")


def _generation_ends(source: str, config: Any) -> int | list[int] | None:
    """A model without a `generation_config.json` names its ends in its configuration."""
    try:
        generation: Any = GenerationConfig.from_pretrained(source)
    except OSError:
        generation = config
    ends: int | list[int] | None = generation.eos_token_id
    return ends


def _stops(*given: int | list[int] | None) -> frozenset[int]:
    """Models of several kinds of turns name several such tokens, their tokenizer one."""
    listed = [ids if isinstance(ids, list) else [ids] for ids in given if ids is not None]
    return frozenset(token for ids in listed for token in ids)
