"""Samples of one query that vLLM draws in one request, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from adaqueue.adapters.prompt_encoder import PromptEncoder, without_nul
from adaqueue.adapters.vllm_link import Reply
from adaqueue.core.records import Sample, Unit
from adaqueue.core.specs import Sampling
from adaqueue.errors import EngineError


@dataclass(frozen=True)
class Wave:
    """What one request draws: vLLM gives the i-th of its samples the seed of the first plus i.

    Attributes:
        units: of one query, their seeds one after the other.
        prompt: its token ids.
    """

    units: tuple[Unit, ...]
    prompt: Sequence[int]

    def body(self, sampling: Sampling, prompts: PromptEncoder) -> dict[str, Any]:
        """Returns the request; it names whatever a server's own defaults could change."""
        return {
            "model": prompts.name,
            "prompt": self.prompt,
            "n": len(self.units),
            "seed": self.units[0].seed,
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "top_p": 1.0,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "stop_token_ids": sorted(prompts.stops),
            "return_token_ids": True,
        }

    def samples(self, reply: Reply, prompts: PromptEncoder) -> list[Sample]:
        """Returns one sample for each unit.

        Raises:
            EngineError: the response is not what was asked for.
        """
        try:
            choices = sorted(reply.content["choices"], key=lambda choice: choice["index"])
            self._check(choices, reply.content["usage"])
            counts = _token_counts(choices, reply.content["usage"])
            return [
                self._sample(unit, choice, count, reply.seconds / len(self.units), prompts)
                for unit, choice, count in zip(self.units, choices, counts, strict=True)
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(f"the server says what cannot be read: {error!r}") from error

    def _check(self, choices: Sequence[Mapping[str, Any]], usage: Mapping[str, Any]) -> None:
        if usage["prompt_tokens"] != len(self.prompt):
            raise EngineError(
                f"the server made {usage['prompt_tokens']} tokens of a prompt of {len(self.prompt)}"
            )
        for choice in choices:
            if choice["finish_reason"] not in ("stop", "length"):
                raise EngineError(f"the server gave a response up: {choice['finish_reason']}")

    def _sample(
        self, unit: Unit, choice: Mapping[str, Any], tokens_out: int, seconds: float, prompts: PromptEncoder
    ) -> Sample:
        tokens = choice.get("token_ids")
        return Sample(
            query_id=unit.query_id,
            number=unit.number,
            seed=unit.seed,
            text=without_nul(choice["text"]) if tokens is None else prompts.decode(tokens),
            tokens_in=len(self.prompt),
            tokens_out=tokens_out,
            finish_reason=choice["finish_reason"],
            seconds=seconds,
        )


def waves(units: Sequence[Unit], prompts: Mapping[UUID, Sequence[int]], most: int) -> list[Wave]:
    """Returns the requests for those units that have a prompt, queries in the order of their first units.

    Args:
        units: what is to be drawn.
        prompts: token ids by query.
        most: samples of one request.
    """
    by_query: dict[UUID, list[Unit]] = {}
    for unit in units:
        by_query.setdefault(unit.query_id, []).append(unit)
    return [
        Wave(tuple(run[start : start + most]), prompts[query_id])
        for query_id, own in by_query.items()
        if query_id in prompts
        for run in _runs(own)
        for start in range(0, len(run), most)
    ]


def _runs(units: Sequence[Unit]) -> Iterator[list[Unit]]:
    """Yields units whose seeds follow one another."""
    ordered = enumerate(sorted(units, key=lambda unit: unit.seed))
    for _, run in groupby(ordered, key=lambda placed: placed[1].seed - placed[0]):
        yield [unit for _, unit in run]


def _token_counts(choices: Sequence[Mapping[str, Any]], usage: Mapping[str, Any]) -> list[int]:
    """Returns generated tokens, the end included; shared out evenly where only their sum is known."""
    if all(choice.get("token_ids") is not None for choice in choices):
        return [len(choice["token_ids"]) for choice in choices]
    share, rest = divmod(usage["completion_tokens"], len(choices))
    return [share + (place < rest) for place in range(len(choices))]
