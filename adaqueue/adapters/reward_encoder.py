"""How a reward model reads a prompt and a response to it, as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from adaqueue.adapters.control_tokens import ControlTokens
from adaqueue.core.query import Message
from adaqueue.errors import VerifierError

Encoded = dict[str, list[int]]


class RewardEncoder:
    """Turns prompts and responses into tokens.

    With a chat template the response is the assistant's turn; without one, prompt and response are a pair of
    texts. Control tokens that stand in a text are read as the characters they are.

    Args:
        tokenizer: of transformers.
        name: of the model, for errors.
        longest: tokens of a prompt and its response together, at most.
        inputs: names of what the model takes; what else the tokenizer makes is left out.
    """

    def __init__(self, tokenizer: Any, name: str, longest: int, inputs: frozenset[str]) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.truncation_side = "left"
        self._name = name
        self._longest = longest
        self._inputs = inputs
        self._control = ControlTokens(tokenizer)

    def encode(self, messages: Sequence[Message], response: str) -> Encoded:
        """Returns ids and masks by name; what is too long loses its beginning, the response's end stays.

        Raises:
            VerifierError: the template refuses the messages, or nothing of them is left.
        """
        turns = [self._control.disarm_message(message) for message in messages]
        said = self._control.disarm(response)
        if self._tokenizer.chat_template is None:
            encoded = self._pair("\n".join(turn["content"] for turn in turns), said)
        else:
            encoded = self._chat([*turns, {"role": "assistant", "content": said}])
        if not encoded["input_ids"]:
            raise VerifierError(f"a response is no token at all to {self._name}")
        return {name: list(row) for name, row in encoded.items() if name in self._inputs}

    def _chat(self, turns: list[Message]) -> Any:
        try:
            text = self._tokenizer.apply_chat_template(turns, tokenize=False)
        except TemplateError as error:
            raise VerifierError(f"the chat template of {self._name} refuses the prompt: {error}") from error
        # the template itself writes what begins a text
        encoded = self._tokenizer(text, add_special_tokens=False, verbose=False)
        ids = encoded["input_ids"]
        head = int(ids[:1] == [self._tokenizer.bos_token_id])
        over = max(0, len(ids) - self._longest)
        return {name: row[:head] + row[head + over :] for name, row in encoded.items()}

    def _pair(self, prompt: str, response: str) -> Any:
        room = self._longest - self._tokenizer.num_special_tokens_to_add(pair=True)
        taken = len(self._tokenizer(response, add_special_tokens=False, verbose=False)["input_ids"])
        if taken >= room:
            return self._tokenizer("", response, truncation="only_second", max_length=self._longest)
        return self._tokenizer(prompt, response, truncation="only_first", max_length=self._longest)
