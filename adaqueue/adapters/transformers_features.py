"""Features: the base model's last hidden state of the encoded prompt; nothing is generated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.core.query import Message
from adaqueue.errors import EngineError

BATCH = 64


class TransformersFeatures:
    """Computes features with transformers, in batches of similar length.

    Args:
        model: the base model.
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.spec = model.feature_spec

    def vectors(self, prompts: Sequence[tuple[Message, ...]]) -> list[bytes]:
        """Returns float32 vectors, see `FeatureProvider`."""
        encoded = [self._model.encode(messages) for messages in prompts]
        for prompt in encoded:
            self._model.check_length(prompt, 0)
        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
        found: dict[int, bytes] = {}
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            states = self._last_states([encoded[index] for index in chosen])
            found.update({index: row.tobytes() for index, row in zip(chosen, states, strict=True)})
        return [found[index] for index in range(len(encoded))]

    def _last_states(self, prompts: Sequence[list[int]]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        ids, mask = self._model.pad(prompts, "right")
        try:
            with torch.inference_mode():
                states = self._model.model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
        except (RuntimeError, IndexError) as error:
            raise EngineError(f"features: {error}") from error
        last = mask.sum(dim=1) - 1
        chosen = states[torch.arange(len(prompts)), last].float().cpu()
        array: np.ndarray[tuple[int, int], np.dtype[np.float32]] = chosen.numpy()
        return array
