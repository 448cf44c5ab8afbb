"""Engines under test, each with the queries that it can serve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.replay_engine import ReplayEngine
from adaqueue.adapters.transformers_engine import TransformersEngine
from adaqueue.adapters.vllm_engine import VllmEngine
from adaqueue.core.recording import RecordedSample, Recording
from adaqueue.core.records import Sample, Unit, sample_seed
from adaqueue.core.specs import Sampling
from adaqueue.errors import EngineError
from adaqueue.ports import Engine
from tests.contracts.vllm import Served
from tests.models import ask

PROMPTS = ("What is 1 + 1?", "2", "What is 12345 * 678?")
MAX_TOKENS = 6


@dataclass(frozen=True)
class Case:
    """An engine under test, and the queries that it can serve.

    Attributes:
        make: batch size to engine.
        recording: what the queries came with.
        impossible: prompt or number that the engine cannot draw for.
    """

    make: Callable[[int], Engine]
    recording: Recording | None
    impossible: Callable[[], Unit]

    def unit(self, query: int, number: int) -> Unit:
        key = UUID(int=query + 1)
        return Unit(key, number, sample_seed(key, number), ask(PROMPTS[query]), self.recording)

    def units(self, *numbers: int) -> list[Unit]:
        return [self.unit(query, number) for query in range(len(PROMPTS)) for number in numbers]


def replay_case() -> Case:
    samples = tuple(RecordedSample(f"said {number}", number / 8, number) for number in range(8))
    recording = Recording(samples)
    return Case(
        make=ReplayEngine,
        recording=recording,
        impossible=lambda: Unit(UUID(int=99), 8, 0, ask("2"), recording),
    )


def model_case(model: LanguageModel, temperature: float = 0.7) -> Case:
    sampling = Sampling("m", temperature, MAX_TOKENS)
    return Case(
        make=lambda batch: TransformersEngine(model, sampling, batch),
        recording=None,
        impossible=lambda: Unit(UUID(int=99), 0, 0, ask("1" * model.longest), None),
    )


class CaseOf(Protocol):
    """Makes a case of a model and a temperature."""

    def __call__(self, model: LanguageModel, temperature: float = 0.7) -> Case: ...


def vllm_case_of(server: Served) -> CaseOf:
    def case_of(model: LanguageModel, temperature: float = 0.7) -> Case:
        sampling = Sampling("m", temperature, MAX_TOKENS)
        case = model_case(model, temperature)
        return replace(case, make=lambda most: VllmEngine(server.url, model, sampling, in_flight=most))

    return case_of


def draw(engine: Engine, units: Sequence[Unit]) -> list[Sample]:
    return [sample for response in engine.draw(units) for sample in response]


def draw_until_it_fails(engine: Engine, units: Sequence[Unit]) -> tuple[list[Sample], str]:
    drawn: list[Sample] = []
    try:
        for response in engine.draw(units):
            drawn.extend(response)
    except EngineError as error:
        return drawn, str(error)
    raise AssertionError("the engine drew what cannot be drawn")


def texts(samples: Sequence[Sample]) -> dict[tuple[UUID, int], str | None]:
    found = {(sample.query_id, sample.number): sample.text for sample in samples}
    assert len(found) == len(samples)
    return found


def asked(units: Sequence[Unit]) -> set[tuple[UUID, int]]:
    return {(unit.query_id, unit.number) for unit in units}
