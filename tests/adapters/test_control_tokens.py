"""Proves that a text can hold no control token of a tokenizer once it is disarmed, and is else left alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from adaqueue.adapters.control_tokens import ControlTokens
from tests.hostile import HOSTILE
from tests.judging import FAMILIES, Family, controls_in, tokenizer_of

OVERLAPPING = Family(("<a>", "<b>", "<c<a>", "><", "<a><b>", "<  a>"), "")
TOKENIZERS = {name: tokenizer_of(family) for name, family in {**FAMILIES, "overlapping": OVERLAPPING}.items()}
CONTROLS = sorted({text for name in TOKENIZERS for text in TOKENIZERS[name].all_special_tokens})
PARTS = st.sampled_from([*CONTROLS, *(part for text in CONTROLS for part in (text[:3], text[-3:]))])
TEXTS = st.lists(PARTS | st.text(max_size=2), max_size=12).map("".join)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_disarmed_text_holds_no_control_token(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    control = ControlTokens(tokenizer)

    @settings(max_examples=100, deadline=None)
    @given(TEXTS)
    def check(text: str) -> None:
        ids = tokenizer(control.disarm(text), add_special_tokens=False)["input_ids"]
        assert controls_in(tokenizer, ids) == []
        assert control.disarm(text).replace(" ", "") == text.replace(" ", "")

    check()


def test_ordinary_text_is_left_as_it_is() -> None:
    control = ControlTokens(TOKENIZERS["Llama 2"])
    for text in ("a < b > c", "[INS", "<div class='x'>[1, 2]</div>", "", "\n\n  if x:\n\treturn"):
        assert control.disarm(text) == text
    assert control.disarm("a</s>b[/INST]") == "a< /s>b[ /INST]"


def test_runs_of_spaces_are_no_control_tokens_though_a_tokenizer_adds_them() -> None:
    tokenizer = tokenizer_of(FAMILIES["ChatML"])
    tokenizer.add_tokens([AddedToken("    ", normalized=False), AddedToken("<think>", normalized=False)])
    control = ControlTokens(tokenizer)
    assert control.disarm("def f():\n    return") == "def f():\n    return"
    assert control.disarm("<think>") == "< think>"


def test_what_a_tokenizer_itself_makes_into_a_control_token_is_taken_apart() -> None:
    tokenizer = lower_case_tokenizer()
    control = ControlTokens(tokenizer)
    hostile = "a [S\u00c9P] b"
    end = tokenizer.convert_tokens_to_ids("[sep]")
    assert end in tokenizer(hostile, add_special_tokens=False)["input_ids"]
    assert end not in tokenizer(control.disarm(hostile), add_special_tokens=False)["input_ids"]
    assert control.disarm("a b zzz") == "a b zzz"


def lower_case_tokenizer() -> Any:
    """A tokenizer of few words that looks for control tokens once it took case and accents away."""
    model = Tokenizer(WordLevel({"[unk]": 0, "a": 1, "b": 2}, unk_token="[unk]"))
    model.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    model.pre_tokenizer = pre_tokenizers.Whitespace()
    model.add_special_tokens([AddedToken("[sep]", normalized=True, special=True)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call] # its constructor has no types
        tokenizer_object=model,
        unk_token="[unk]",
        sep_token=AddedToken("[sep]", normalized=True, special=True),
    )


def test_hostile_answers_hold_no_control_token_of_any_family() -> None:
    for tokenizer in TOKENIZERS.values():
        control = ControlTokens(tokenizer)
        for answer in HOSTILE.values():
            text = control.disarm(answer.encode(errors="replace").decode())
            assert controls_in(tokenizer, tokenizer(text)["input_ids"]) == []
