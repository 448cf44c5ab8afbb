"""Tiny reward models with random weights, a decoder without a filler, one with, and an encoder of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
)

from tests.judging import FAMILIES, Family, tokenizer_of

LONGEST = 256
ONE_NUMBER: dict[str, Any] = {"num_labels": 1}  # known to all configurations, but not to their types
LLAMA_3 = FAMILIES["Llama 3"]
STRICT = Family(
    LLAMA_3.controls,
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + LLAMA_3.template,
)
PAIR = Family(("[CLS]", "[SEP]", "[PAD]"), "")


def random_weights(model: Any) -> Any:
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for weight in model.parameters():
            weight.normal_(0, 0.3)
    return model


def tokens_of(family: Family) -> Any:
    """A tokenizer without a filler, as many decoders have it."""
    tokenizer = tokenizer_of(family)
    tokenizer.model_max_length = LONGEST
    tokenizer.chat_template = family.template or None
    return tokenizer


def save_llama(folder: Path, family: Family = LLAMA_3, **changes: Any) -> Path:
    tokenizer = tokens_of(family)
    given: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": LONGEST,
        "num_labels": 1,
        "eos_token_id": tokenizer.eos_token_id,  # ends every turn, so it would be a bad filler
        "pad_token_id": None,
    }
    model: Any = LlamaForSequenceClassification(LlamaConfig(**given | changes))  # type: ignore[no-untyped-call]
    random_weights(model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_gpt2(folder: Path) -> Path:
    """A decoder that counts positions itself, and whose filler ends each of its turns too."""
    tokenizer = tokens_of(FAMILIES["ChatML"])
    tokenizer.pad_token = tokenizer.eos_token
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=LONGEST, **ONE_NUMBER
    )
    config.pad_token_id = tokenizer.pad_token_id
    random_weights(GPT2ForSequenceClassification(config)).save_pretrained(folder)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    return folder


def save_bert(folder: Path) -> Path:
    tokenizer = tokenizer_with_pairs()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LONGEST,
        **ONE_NUMBER,
        pad_token_id=tokenizer.pad_token_id,
    )
    random_weights(BertForSequenceClassification(config)).save_pretrained(folder)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    return folder


def tokenizer_with_pairs() -> Any:
    tokenizer = tokens_of(PAIR)
    tokenizer.add_special_tokens({"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"})
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    marks = [(mark, tokenizer.convert_tokens_to_ids(mark)) for mark in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=marks
    )
    return tokenizer


SAVERS = {"Llama": save_llama, "GPT-2": save_gpt2, "BERT": save_bert}
