"""Control tokens of a tokenizer, kept out of texts that a model or a stranger wrote."""

from __future__ import annotations

import re
from typing import Any

from adaqueue.core.query import Message


class ControlTokens:
    """What a tokenizer reads as a token of its own wherever it stands in a text: ends of turns, roles, tools.

    Args:
        tokenizer: of transformers.

    Attributes:
        ids: of the control tokens; the one for unknown characters is none, ordinary text may hold it.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        written = {
            token.content
            for token in tokenizer.added_tokens_decoder.values()
            # some chat models' ends of turns are not declared special; runs of spaces are not control
            if token.special or token.content.strip()[:1] in {"<", "["}
        }
        written = {token for token in written | set(tokenizer.all_special_tokens) if len(token) > 1}
        self.ids = frozenset(tokenizer.convert_tokens_to_ids(sorted(written))) - _unknown(tokenizer)
        either = "|".join(map(re.escape, sorted(written, key=len, reverse=True)))
        self._found = re.compile(either or "(?!)", re.IGNORECASE)

    def disarm(self, text: str) -> str:
        """Returns the text with a space inside each control token, so that it is read as mere characters.

        Where a tokenizer's own rewriting of texts would still make one, all characters stand apart.
        """
        while self._found.search(text):
            text = self._found.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)
        return " ".join(text) if self._makes_one(text) else text

    def disarm_message(self, message: Message) -> Message:
        """Returns the message with its content disarmed."""
        return {**message, "content": self.disarm(message["content"])}

    def _makes_one(self, text: str) -> bool:
        encoded = self._tokenizer(text, add_special_tokens=False, verbose=False)
        return not self.ids.isdisjoint(encoded["input_ids"])


def _unknown(tokenizer: Any) -> frozenset[int]:
    """Tokenizers that know every byte let their end stand for the unknown too: there it is control."""
    kept = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id}
    return frozenset({tokenizer.unk_token_id}) - kept
