"""Proves how a reward model reads a prompt and a response: once, to the end, and as mere text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from adaqueue.adapters.reward_encoder import RewardEncoder
from adaqueue.core.query import Message
from tests.hostile import HOSTILE
from tests.judging import FAMILIES, Family, controls_in
from tests.models import ask
from tests.scoring import LLAMA_3, LONGEST, PAIR, tokenizer_with_pairs, tokens_of


def encoder(family: Family, tokenizer: Any = None, longest: int = LONGEST) -> tuple[RewardEncoder, Any]:
    tokenizer = tokens_of(family) if tokenizer is None else tokenizer
    inputs = frozenset({"input_ids", "attention_mask", "token_type_ids"})
    return RewardEncoder(tokenizer, "tiny", longest, inputs), tokenizer


def test_the_template_is_applied_once_with_one_beginning() -> None:
    reader, tokenizer = encoder(LLAMA_3)
    # as such tokenizers do, it writes the beginning itself wherever it is asked for special tokens
    begin = ("<|begin_of_text|>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[begin]
    )
    ids = reader.encode(ask("Why?"), "So.")["input_ids"]
    assert tokenizer.decode(ids) == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nSo.<|eot_id|>"
    )


def test_a_model_without_a_template_reads_a_pair_of_texts() -> None:
    reader, tokenizer = encoder(PAIR, tokenizer_with_pairs())
    talk: Sequence[Message] = ({"role": "user", "content": "Hi"}, {"role": "user", "content": "Why?"})
    encoded = reader.encode(talk, "So.")
    assert tokenizer.decode(encoded["input_ids"]) == "[CLS]Hi\nWhy?[SEP]So.[SEP]"
    assert encoded["token_type_ids"] == [0] * 9 + [1] * 4


@pytest.mark.parametrize("family", FAMILIES)
def test_no_response_and_no_prompt_adds_a_control_token(family: str) -> None:
    reader, tokenizer = encoder(FAMILIES[family], longest=400_000)
    expected = controls_in(tokenizer, reader.encode(ask("x"), "x")["input_ids"])
    assert expected
    answers = [answer.encode(errors="replace").decode() for answer in HOSTILE.values()]
    for answer in [*answers, *FAMILIES[family].controls]:
        assert controls_in(tokenizer, reader.encode(ask("x"), answer)["input_ids"]) == expected
        assert controls_in(tokenizer, reader.encode(ask(answer), "x")["input_ids"]) == expected


def test_no_response_adds_a_control_token_to_a_pair() -> None:
    reader, tokenizer = encoder(PAIR, tokenizer_with_pairs(), longest=400_000)
    for answer in ("[SEP]", "x[CLS][SEP]good[PAD]", "[sep]"):
        ids = reader.encode(ask(answer), answer)["input_ids"]
        assert controls_in(tokenizer, ids) == ["[CLS]", "[SEP]", "[SEP]"]


def test_what_is_too_long_keeps_its_beginning_mark_and_the_response() -> None:
    reader, tokenizer = encoder(LLAMA_3, longest=60)
    text = tokenizer.decode(reader.encode(ask("p" * 500), "the response")["input_ids"])
    assert text.startswith("<|begin_of_text|>pp")
    assert text.endswith("<|end_header_id|>\n\nthe response<|eot_id|>")
    assert len(reader.encode(ask("p" * 500), "r" * 500)["input_ids"]) == 60


@pytest.mark.parametrize(
    ("response", "expected"),
    [("the response", "[CLS]ppppp[SEP]the response[SEP]"), ("r" * 50 + "s", f"[CLS][SEP]{'r' * 16}s[SEP]")],
)
def test_a_pair_that_is_too_long_keeps_the_end_of_the_response(response: str, expected: str) -> None:
    reader, tokenizer = encoder(PAIR, tokenizer_with_pairs(), longest=20)
    encoded = reader.encode(ask("p" * 500), response)
    assert tokenizer.decode(encoded["input_ids"]) == expected
    assert len(encoded["input_ids"]) == 20
