"""Features: a hidden state of the base model, of the encoded prompt; nothing is generated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.core.query import Message
from adaqueue.core.specs import FeatureSpec
from adaqueue.errors import EngineError

BATCH = 64
# of a batch, padding included, so that long prompts need no more memory than many short ones
BATCH_TOKENS = 16_384


class TransformersFeatures:
    """Computes features with transformers, in batches of similar length.

    Args:
        model: the base model.
        spec: which of its states; absent: the last layer's at the prompt's last token.
    """

    def __init__(self, model: LanguageModel, spec: FeatureSpec | None = None) -> None:
        self.model = model
        self.spec = spec or model.feature_spec()

    def vectors(self, prompts: Sequence[tuple[Message, ...]]) -> list[bytes]:
        """Returns float32 vectors, see `FeatureProvider`."""
        encoded = [self.model.encode(messages)[-self.spec.most_tokens :] for messages in prompts]
        found: dict[int, bytes] = {}
        for chosen in batches([len(prompt) for prompt in encoded]):
            states = self._states([encoded[index] for index in chosen])
            found.update({index: row.tobytes() for index, row in zip(chosen, states, strict=True)})
        return [found[index] for index in range(len(encoded))]

    def _states(self, prompts: Sequence[list[int]]) -> NDArray[np.float32]:
        ids, mask = self.model.pad(prompts, "right")
        try:
            with torch.inference_mode():
                return pooled(self._layer(ids, mask), mask, self.spec.pooling)
        except (RuntimeError, IndexError) as error:
            raise EngineError(f"features: {error}") from error

    def _layer(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Only a layer before the last needs all of them kept."""
        inner = self.spec.layer != -1
        said = self.model.model.base_model(
            input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=inner
        )
        states: torch.Tensor = said.hidden_states[self.spec.layer] if inner else said.last_hidden_state
        return states


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yields the places of prompts of similar length, shortest first: at most 64, and 16,384 tokens."""
    chosen: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if len(chosen) == BATCH or (len(chosen) + 1) * lengths[place] > BATCH_TOKENS:
            if chosen:
                yield chosen
            chosen = []
        chosen.append(place)
    if chosen:
        yield chosen


def pooled(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> NDArray[np.float32]:
    """Returns one vector for each prompt, float32[n, size].

    Args:
        states: of every token, [n, longest, size], prompts padded on the right.
        mask: 1 for tokens and 0 for padding, int64[n, longest].
        pooling: `last` or `mean`, see `FeatureSpec`.
    """
    lengths = mask.sum(dim=1)
    if pooling == "last":
        chosen = states[torch.arange(len(states), device=states.device), lengths - 1].float()
    else:
        chosen = (states.float() * mask[:, :, None]).sum(dim=1) / lengths[:, None]
    found: NDArray[np.float32] = chosen.cpu().numpy()
    return found
