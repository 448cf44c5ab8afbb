"""Features of prompts from any Hugging Face model in a folder: a causal language model, or an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import TemplateError
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
)

from adaqueue.adapters.transformers_features import batches, pooled
from adaqueue.core.outcomes import States
from adaqueue.core.query import Message
from adaqueue.errors import EngineError, SettingsError

LONGEST = 8_192
"""Tokens of a prompt at most, where the model itself takes more."""


class EncoderFeatures:
    """Computes a vector for each prompt, in batches of similar length; nothing is generated.

    Of a causal language model it is the last layer's state at the last token of the prompt, in its chat
    template if it has one, and what is too long loses its beginning. Of an encoder it is the mean of the last
    layer over the prompt's tokens, and what is too long loses its end. Both end with the model's own norm.

    Weights are read from safetensors alone, from this machine alone, and the folder's code is never run.

    Args:
        folder: with `config.json`, weights and a tokenizer.

    Attributes:
        is_causal: which of the two it is.
        longest: tokens of a prompt that are read at most.

    Raises:
        SettingsError: there is no such folder, or no such model in it; says why.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "config.json").is_file():
            remedy = "give `text`, or a folder with config.json, model.safetensors and a tokenizer"
            raise SettingsError(f"features: {str(folder)!r}: no model is there: {remedy}")
        try:
            config: Any = AutoConfig.from_pretrained(folder, local_files_only=True)
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = _load(folder, config)
        except (OSError, ValueError, ImportError) as error:
            raise SettingsError(f"features: {str(folder)!r} cannot be loaded: {error}") from error
        self._name = folder.name
        self.is_causal = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and not (
            type(config) in MODEL_FOR_MASKED_LM_MAPPING or config.is_encoder_decoder
        )
        self.longest = _longest(config, self._model, self._tokenizer)
        self._tokenizer.truncation_side = "left" if self.is_causal else "right"

    def states(
        self, prompts: Sequence[tuple[Message, ...]], on_progress: Callable[[int], None]
    ) -> tuple[States, int]:
        """Returns the vectors, float32[n, size], and how many prompts were cut.

        Args:
            prompts: each as chat messages.
            on_progress: called with the number of prompts done since the last call.

        Raises:
            EngineError: the chat template refuses a prompt, nothing of it is left, or the model breaks.
        """
        encoded, cut = self._encode(prompts)
        found: dict[int, States] = {}
        for chosen in batches([len(ids) for ids in encoded]):
            found.update(zip(chosen, self._states([encoded[place] for place in chosen]), strict=True))
            on_progress(len(chosen))
        return np.stack([found[place] for place in range(len(encoded))]), cut

    def _encode(self, prompts: Sequence[tuple[Message, ...]]) -> tuple[list[list[int]], int]:
        templated = self.is_causal and self._tokenizer.chat_template is not None
        texts = [self._text(messages, templated) for messages in prompts]
        # the template itself writes what begins a text
        options = {"add_special_tokens": not templated, "verbose": False}
        whole = [len(ids) for ids in self._tokenizer(texts, **options)["input_ids"]]
        ids = self._tokenizer(texts, truncation=True, max_length=self.longest, **options)["input_ids"]
        if not all(ids):
            raise EngineError(f"a prompt is no token at all to {self._name}")
        return ids, sum(length > self.longest for length in whole)

    def _text(self, messages: Sequence[Message], templated: bool) -> str:
        if not templated:
            return "\n".join(message["content"] for message in messages)
        try:
            text: str = self._tokenizer.apply_chat_template(
                [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            raise EngineError(f"the chat template of {self._name} refuses a prompt: {error}") from error
        return text

    def _states(self, prompts: Sequence[list[int]]) -> States:
        ids = torch.zeros((len(prompts), max(map(len, prompts))), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = torch.tensor(prompt)
            mask[row, : len(prompt)] = 1
        device = self._model.device
        try:
            with torch.inference_mode():
                said = self._model(input_ids=ids.to(device), attention_mask=mask.to(device))
                found = pooled(said.last_hidden_state, mask.to(device), "last" if self.is_causal else "mean")
        except (RuntimeError, IndexError) as error:
            raise EngineError(f"features of {self._name}: {error}") from error
        if not np.isfinite(found).all():
            raise EngineError(f"features of {self._name} are not finite: the weights are damaged")
        return found


def _load(folder: Path, config: Any) -> Any:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float32 if device == "cpu" else "auto"
    model: Any = AutoModel.from_pretrained(
        folder, config=config, dtype=dtype, use_safetensors=True, local_files_only=True
    )
    return (model.get_encoder() if config.is_encoder_decoder else model).to(device).eval()


def _longest(config: Any, model: Any, tokenizer: Any) -> int:
    """Some encoders number positions from after their padding token, which leaves fewer of them."""
    places = getattr(config.get_text_config(), "max_position_embeddings", None) or LONGEST
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    first = getattr(table, "padding_idx", None)
    return int(min(places - (0 if first is None else first + 1), tokenizer.model_max_length, LONGEST))
