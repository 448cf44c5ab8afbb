"""The demo model's tokenizer: one token per digit, one for each fixed phrase of prompts and responses."""

from __future__ import annotations

import re

from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

from adaqueue.demo.steps import ARGUMENT_RANGES, BARE

PAD, BOS, EOS, UNK, ANSWER = "<pad>", "<bos>", "<eos>", "<unk>", "<answer>"
ARITHMETIC_PHRASES = ("What is ", " + ", " - ", " * ", " % ", "?", "-")
CODE_PHRASES = (
    'def f(x):\n    """',
    'def f(xs):\n    """',
    '."""\n    return',
    "Return x after these steps: ",
    " after these steps: ",
    "Fold into one product and one sum: ",
    *(f"{kind} " for kind in ARGUMENT_RANGES),
    *BARE,
    "; ",
    "Multiply x by ",
    ", then add what makes f(",
    "The line with f(",
    "The parabola with f(",
    ") = ",
    " and f(",
    ", f(",
    "Add up all x in xs that are ",
    "above ",
    "below ",
    "divisible by ",
    "not divisible by ",
    " and ",
    " // ",
    " ** ",
    "x",
    "(",
    ")",
    "abs(",
    "min(",
    "max(",
    ", ",
    "sum(",
    " for x in xs if ",
    " > ",
    " < ",
    " == ",
    " != ",
    " ",
)
MAX_LENGTH = 256
"""Positions that the model has, in tokens: prompt and response together."""

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}" + ANSWER + "{{ message['content'] }}{{ eos_token }}"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}" + ANSWER + "{% endif %}"
)
"""`<bos>What is 37 * 12?<answer>` asks; the model was trained to continue with `444<eos>`."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, built from its vocabulary alone; a character that it does not know becomes `<unk>`."""
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call] # its constructor has no types
        tokenizer_object=_word_level(),
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_LENGTH,
    )


def _word_level() -> Tokenizer:
    specials = [PAD, BOS, EOS, UNK, ANSWER]
    words = (*specials, *ARITHMETIC_PHRASES, *"0123456789", *CODE_PHRASES)
    backend = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token=UNK))
    backend.add_special_tokens(specials)
    phrases = sorted((*ARITHMETIC_PHRASES, *CODE_PHRASES), key=len, reverse=True)
    pieces = "|".join(map(re.escape, phrases)) + r"|[\s\S]"
    backend.pre_tokenizer = Split(Regex(pieces), behavior="isolated")
    backend.decoder = Fuse()
    return backend
