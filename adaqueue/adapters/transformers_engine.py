"""The `transformers` engine: batched generation in the sampler's own process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from typing import Any
from uuid import UUID

import numpy as np
import torch
from transformers import (
    DynamicCache,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.cache_utils import DynamicLayer

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.core.records import Sample, Unit
from adaqueue.core.specs import Sampling
from adaqueue.errors import EngineError

log = logging.getLogger(__name__)

Encoded = tuple[Unit, list[int]]


class SeededChoice(LogitsProcessor):
    """Draws each row's next token with that row's own random numbers, by inverting the distribution.

    So a sample depends on its seed and prompt alone, not on who shares its batch.

    Args:
        seeds: one a row.
        temperature: of the softmax; 0 is greedy.
        max_tokens: tokens drawn at most.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, max_tokens: int) -> None:
        rows = [np.random.Generator(np.random.Philox(key=seed)).random(max_tokens) for seed in seeds]
        self._uniform = torch.from_numpy(np.stack(rows))
        self._temperature = temperature
        self._step = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Returns scores whose argmax is the token drawn; float[rows, vocabulary]."""
        if self._temperature == 0:
            return scores
        mass = torch.softmax(scores.double() / self._temperature, dim=-1).cumsum(dim=-1)
        point = self._uniform[:, self._step : self._step + 1].to(scores.device) * mass[:, -1:]
        self._step += 1
        token = torch.searchsorted(mass, point, right=True).clamp(max=scores.shape[-1] - 1)
        return torch.full_like(scores, float("-inf")).scatter(1, token, 0.0)


class StopsWhenAsked(StoppingCriteria):
    """Ends all rows as soon as it is asked to.

    Args:
        asked: whether to stop.
    """

    def __init__(self, asked: Callable[[], bool]) -> None:
        self._asked = asked

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        """Returns whether each row is done, bool[rows]."""
        return torch.full((len(input_ids),), self._asked(), device=input_ids.device)


class TransformersEngine:
    """Draws with `generate`, prompts of similar length together.

    Args:
        model: the decoder.
        sampling: how to draw.
        batch_samples: samples of one engine response.
        stopping: asked at every token; once true, the response at hand is given up.
    """

    def __init__(
        self,
        model: LanguageModel,
        sampling: Sampling,
        batch_samples: int = 256,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.decoder = model.name
        self.sampling = sampling
        self._model = model
        self._batch_samples = batch_samples
        self._stopping = stopping

    def draw(self, units: Sequence[Unit]) -> Iterator[list[Sample]]:
        """Yields responses, see `Engine`; a prompt that the model cannot take fails after all others."""
        prompts, refusal = self._model.encode_queries(units, self.sampling.max_tokens)
        fitting = [(unit, prompts[unit.query_id]) for unit in units if unit.query_id in prompts]
        fitting.sort(key=lambda pair: len(pair[1]))
        for start in range(0, len(fitting), self._batch_samples):
            response = self._respond(fitting[start : start + self._batch_samples])
            if self._stopping():
                return
            yield response
        if refusal is not None:
            raise refusal

    def works(self) -> bool:
        """Draws one sample of a prompt of one token, see `Engine`."""
        unit = Unit(UUID(int=0), 0, 0, (), None)
        try:
            self._respond([(unit, [min(self._model.stops, default=0)])])
        except EngineError as error:
            log.error("the engine can draw nothing: %s", error)
            return False
        return True

    def _respond(self, batch: Sequence[Encoded]) -> list[Sample]:
        started = time.perf_counter()
        unique = {unit.query_id: prompt for unit, prompt in batch}
        place = {query_id: row for row, query_id in enumerate(unique)}
        rows = torch.tensor([place[unit.query_id] for unit, _ in batch])
        ids, mask = self._model.pad(list(unique.values()), "left")
        seeds = [unit.seed for unit, _ in batch]
        choice = SeededChoice(seeds, self.sampling.temperature, self.sampling.max_tokens)
        try:
            with torch.inference_mode():
                output = self._model.model.generate(
                    input_ids=ids[rows],
                    attention_mask=mask[rows],
                    past_key_values=self._prefill(ids, mask, rows),
                    max_new_tokens=self.sampling.max_tokens,
                    do_sample=False,
                    logits_processor=LogitsProcessorList([choice]),
                    stopping_criteria=StoppingCriteriaList([StopsWhenAsked(self._stopping)]),
                    pad_token_id=self._model.tokenizer.pad_token_id,
                    eos_token_id=sorted(self._model.stops) or None,
                )
        except (RuntimeError, IndexError) as error:
            raise EngineError(f"{self.decoder}: {error}") from error
        seconds = (time.perf_counter() - started) / len(batch)
        responses = output[:, ids.shape[1] :].tolist()
        return [
            self._sample(unit, len(prompt), response, seconds)
            for (unit, prompt), response in zip(batch, responses, strict=True)
        ]

    def _prefill(self, ids: torch.Tensor, mask: torch.Tensor, rows: torch.Tensor) -> DynamicCache | None:
        """Returns keys and values of all but the prompts' last tokens, once a prompt, then a row a sample.

        None where it saves nothing or the model keeps another kind of state: `generate` then does all.
        """
        model = self._model.model
        if ids.shape[1] < 2 or len(rows) == len(ids) or not model._supports_default_dynamic_cache():
            return None
        cache = DynamicCache(config=model.config.get_text_config(decoder=True))
        if not all(isinstance(layer, DynamicLayer) for layer in cache.layers):
            return None
        given: dict[str, Any] = {"input_ids": ids[:, :-1], "attention_mask": mask[:, :-1]}
        if "position_ids" in signature(model.base_model.forward).parameters:
            given["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, :-1]
        model.base_model(**given, past_key_values=cache)
        cache.batch_select_indices(rows.to(ids.device))
        return cache

    def _sample(self, unit: Unit, tokens_in: int, response: list[int], seconds: float) -> Sample:
        end = next((place for place, token in enumerate(response, 1) if token in self._model.stops), None)
        tokens = response[:end]
        return Sample(
            query_id=unit.query_id,
            number=unit.number,
            seed=unit.seed,
            text=self._model.decode(tokens),
            tokens_in=tokens_in,
            tokens_out=len(tokens),
            finish_reason="length" if end is None else "stop",
            seconds=seconds,
        )
