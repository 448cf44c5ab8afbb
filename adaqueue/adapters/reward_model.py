"""A reward model: one number for a response to a prompt, as transformers' sequence classifiers give it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from inspect import signature
from itertools import count
from threading import Lock
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from adaqueue.adapters.prompt_encoder import revision_of
from adaqueue.adapters.reward_encoder import Encoded, RewardEncoder
from adaqueue.core.query import Message
from adaqueue.errors import SettingsError, VerifierError

LONGEST = 8_192
"""Tokens of a prompt and its response together, at most, where the model itself takes more."""


class RewardModel:
    """Scores responses, those of similar length together; a score depends on its own texts alone.

    Any number of threads may share it: they take turns.

    Args:
        source: a folder, or a name on the model hub; weights are read from safetensors alone, and its code is
            never run.
        name: what the ledger calls it.
        batch: responses of one pass.
        device: of torch; absent: the accelerator if there is one. Off the CPU it computes in bfloat16.

    Attributes:
        name: as given.
        revision: digest of the weights (a folder), or the hub's commit.

    Raises:
        SettingsError: it cannot be loaded, or does not give one number that it was trained to give.
    """

    def __init__(self, source: str, name: str, batch: int = 16, device: str | None = None) -> None:
        self.name = name
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        tokenizer, self._model = _load(source, self._device)
        self._config = self._model.config.get_text_config()
        self.revision = revision_of(source, self._model.config)
        self._batch = batch
        # decoders give the number at the last token that does not fill up
        self._has_filler = self._config.pad_token_id is not None
        self._turn = Lock()
        takes = frozenset(signature(self._model.forward).parameters)
        self._encoder = RewardEncoder(tokenizer, name, _longest(self._config, tokenizer), takes)

    def scores(self, pairs: Sequence[tuple[Sequence[Message], str]]) -> list[float]:
        """Returns one finite number for each (prompt, response), in order; more is better.

        Raises:
            VerifierError: the model broke, its template refuses a prompt, or a number is not finite.
        """
        # tokenizers refuse two threads at a time, too
        with self._turn:
            return self._scores([self._encoder.encode(messages, response) for messages, response in pairs])

    def _scores(self, rows: Sequence[Encoded]) -> list[float]:
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]["input_ids"]))
        found: dict[int, float] = {}
        for start in range(0, len(order), self._batch):
            chosen = order[start : start + self._batch]
            found.update(zip(chosen, self._score([rows[place] for place in chosen]), strict=True))
        return [found[place] for place in range(len(rows))]

    def _score(self, rows: Sequence[Encoded]) -> list[float]:
        inputs = _padded(rows, self._filler(rows))
        try:
            with torch.inference_mode():
                given = {name: tensor.to(self._device) for name, tensor in inputs.items()}
                logits = self._model(**given).logits.float().reshape(len(rows))
        except (RuntimeError, IndexError) as error:
            raise VerifierError(f"the reward model {self.name}: {error}") from error
        said: list[float] = logits.tolist()
        if not all(map(math.isfinite, said)):
            raise VerifierError(f"the reward model {self.name} gives a number that is not finite")
        return said

    def _filler(self, rows: Sequence[Encoded]) -> int:
        """Returns the model's own filler, or one that ends no row, so that each is scored at its end."""
        if not self._has_filler:
            ends = {row["input_ids"][-1] for row in rows}
            self._config.pad_token_id = next(token for token in count() if token not in ends)
        return int(self._config.pad_token_id)


def _load(source: str, device: str) -> tuple[Any, Any]:
    """Returns tokenizer and model, ready to score."""
    given: dict[str, Any] = {"trust_remote_code": False}
    try:
        config: Any = AutoConfig.from_pretrained(source, **given)
        if config.num_labels != 1:
            raise SettingsError(
                f"reward_model: {source} gives {config.num_labels} numbers a response (num_labels): give a "
                "sequence classifier that gives one"
            )
        # all of one commit: another's safetensors are what transformers looks for where this has none
        given["revision"] = getattr(config, "_commit_hash", None) or "main"
        tokenizer = AutoTokenizer.from_pretrained(source, **given)
        given |= {"dtype": torch.float32 if device == "cpu" else torch.bfloat16, "output_loading_info": True}
        model, told = AutoModelForSequenceClassification.from_pretrained(
            source, use_safetensors=True, **given
        )
    except (OSError, ValueError) as error:
        raise SettingsError(f"reward_model: {source} cannot be loaded: {error}") from error
    # transformers would fill them at random
    if told["missing_keys"]:
        missing = ", ".join(sorted(told["missing_keys"])[:3])
        raise SettingsError(f"reward_model: {source} lacks weights of a sequence classifier: {missing}")
    return tokenizer, model.to(device).eval()


def _longest(config: Any, tokenizer: Any) -> int:
    told = getattr(config, "max_position_embeddings", None) or LONGEST
    return min(int(told), int(tokenizer.model_max_length), LONGEST)


def _padded(rows: Sequence[Encoded], filler: int) -> dict[str, torch.Tensor]:
    """Returns int64[rows, longest] by name, filled up on the right."""
    longest = max(len(row["input_ids"]) for row in rows)
    return {
        name: torch.tensor(
            [row[name] + [filler if name == "input_ids" else 0] * (longest - len(row[name])) for row in rows]
        )
        for name in rows[0]
    }
