"""A tiny random Llama and its tokenizer, for tests of what a model's size and training have no part in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.core.query import Message
from adaqueue.demo.tokenizer import build_tokenizer

LONGEST = 48


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and lose much where others use the cores too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny_model(folder: Path, seed: int = 0, template: str | None = None) -> LanguageModel:
    """Writes a random model with the demo's tokenizer and loads it as any other."""
    tokenizer = build_tokenizer()
    if template is not None:
        tokenizer.chat_template = template
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            head_dim=32,  # the smallest that vLLM has a kernel for
            max_position_embeddings=LONGEST,
            initializer_range=0.3,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        model = LlamaForCausalLM(config)  # type: ignore[no-untyped-call] # it has no types
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return LanguageModel(str(folder), "tiny")


def ask(prompt: str) -> tuple[Message, ...]:
    return ({"role": "user", "content": prompt},)
