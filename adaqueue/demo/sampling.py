"""Draw many responses per prompt from the demo model: one pass over the prompts, then all samples at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import cast

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from adaqueue.demo import MAX_TOKENS, TEMPERATURE

ROWS_PER_BATCH = 512
"""Responses drawn at once."""


class DemoSampler:
    """The demo model with its tokenizer, ready to draw."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Load the model.

        Args:
            folder: What `adaqueue.demo.train` wrote.
            seed: Seed of the draws.
        """
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        self._model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder)
        self._generator = torch.Generator().manual_seed(seed)

    def draw(self, prompts: Sequence[str], samples: int) -> list[list[str]]:
        """Independent responses to every prompt, at the demo's temperature.

        Returns:
            One list per prompt, in the prompts' order, of `samples` texts in the order of drawing.
        """
        encoded = [self._encode(prompt) for prompt in prompts]
        responses: list[list[str]] = [[] for _ in prompts]
        for batch in _batches([len(ids) for ids in encoded], max(1, ROWS_PER_BATCH // samples)):
            tokens = self._draw_batch(torch.tensor([encoded[index] for index in batch]), samples)
            texts = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
            for row, index in enumerate(batch):
                responses[index] = texts[row * samples : (row + 1) * samples]
        return responses

    def _encode(self, prompt: str) -> list[int]:
        conversation = [{"role": "user", "content": prompt}]
        ids = self._tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_dict=False)
        return cast(list[int], ids)

    @torch.inference_mode()
    def _draw_batch(self, prompt_ids: torch.Tensor, samples: int) -> torch.Tensor:
        cache = DynamicCache(config=self._model.config)
        logits = self._model(prompt_ids, past_key_values=cache, logits_to_keep=1).logits
        cache.batch_repeat_interleave(samples)
        tokens = [self._next(logits.repeat_interleave(samples, dim=0))]
        ended = tokens[0] == self._tokenizer.eos_token_id
        while len(tokens) < MAX_TOKENS and not ended.all():
            logits = self._model(tokens[-1], past_key_values=cache).logits
            tokens.append(self._next(logits).masked_fill(ended, self._tokenizer.pad_token_id))
            ended |= tokens[-1] == self._tokenizer.eos_token_id
        return torch.cat(tokens, dim=1)

    def _next(self, logits: torch.Tensor) -> torch.Tensor:
        chances = torch.softmax(logits[:, -1].float() / TEMPERATURE, dim=-1)
        return torch.multinomial(chances, num_samples=1, generator=self._generator)


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indices of prompts of one length each, at most `size` together, so that nothing needs padding."""
    by_length = sorted(range(len(lengths)), key=lengths.__getitem__)
    for _, group in groupby(by_length, key=lengths.__getitem__):
        alike = list(group)
        yield from (alike[at : at + size] for at in range(0, len(alike), size))
