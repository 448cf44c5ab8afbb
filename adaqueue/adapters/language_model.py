"""A causal language model with its tokenizer, as transformers loads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from adaqueue.adapters.prompt_encoder import PromptEncoder


class LanguageModel(PromptEncoder):
    """The base model that samplers and features share: its prompts and its weights.

    Args:
        source: a folder, or a name on the model hub; its code is never run (`trust_remote_code` stays off).
        name: what the ledger calls it.

    Attributes:
        model: the weights, on the accelerator if there is one.
    """

    def __init__(self, source: str, name: str) -> None:
        super().__init__(source, name)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.float32 if device == "cpu" else "auto"
        model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=dtype)
        self.model = model.to(device).eval()
        self.dtype = str(model.dtype).removeprefix("torch.")

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
