"""Proves on a real server of vLLM what its engine relies on."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.vllm_engine import VllmEngine
from adaqueue.core.records import Unit, sample_seed
from adaqueue.core.specs import Sampling
from adaqueue.errors import EngineError
from tests.contracts.vllm import Served, with_starts
from tests.models import LONGEST, ask, one_thread, tiny_model  # noqa: F401 - one_thread: used by every test here

pytestmark = with_starts
KEY = UUID(int=1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return tiny_model(tmp_path_factory.mktemp("model"))


def units(*numbers: int, key: UUID = KEY) -> list[Unit]:
    return [Unit(key, number, sample_seed(key, number), ask("2"), None) for number in numbers]


def count(server: Served, *names: str) -> float:
    lines = httpx.get(f"{server.url}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(names))


def test_each_sample_of_one_request_is_that_of_its_own_seed(
    drawing_server: Served, tiny: LanguageModel
) -> None:
    engine = VllmEngine(drawing_server.url, tiny, Sampling("tiny", 0.7, 6), in_flight=32)
    (together,) = engine.draw(units(*range(12)))
    alone = [sample for number in range(12) for samples in engine.draw(units(number)) for sample in samples]
    assert [sample.text for sample in together] == [sample.text for sample in alone]
    assert len({sample.text for sample in alone}) > 6


def test_a_query_is_one_request_and_the_tokens_are_those_that_the_server_counted(
    drawing_server: Served, tiny: LanguageModel
) -> None:
    engine = VllmEngine(drawing_server.url, tiny, Sampling("tiny", 0.7, 6), in_flight=32)
    names = ("vllm:generation_tokens_total", 'http_requests_total{handler="/v1/completions"')
    tokens_before, requests_before = (count(drawing_server, name) for name in names)
    (samples,) = engine.draw(units(*range(12)))
    tokens, requests = (count(drawing_server, name) for name in names)
    assert tokens - tokens_before == sum(sample.tokens_out or 0 for sample in samples)
    assert requests - requests_before == 1


def test_prompts_that_do_not_fit_one_step_of_the_server_together_end_nothing(
    drawing_server: Served, tiny: LanguageModel
) -> None:
    engine = VllmEngine(drawing_server.url, tiny, Sampling("tiny", 0.7, 6), in_flight=512)
    prompt = ask("1" * (LONGEST - 10))
    asked = [Unit(UUID(int=n), 0, sample_seed(UUID(int=n), 0), prompt, None) for n in range(200)]
    assert sum(len(samples) for samples in engine.draw(asked)) == len(asked)


def test_who_leaves_early_leaves_nothing_on_the_server(drawing_server: Served, tiny: LanguageModel) -> None:
    engine = VllmEngine(drawing_server.url, tiny, Sampling("tiny", 0.7, 40), in_flight=256)
    asked = [unit for query in range(2, 60) for unit in units(*range(16), key=UUID(int=query))]
    responses = engine.draw(asked)
    next(responses)
    responses.close()  # type: ignore[attr-defined] # a generator
    deadline = time.monotonic() + 10
    while count(drawing_server, "vllm:num_requests_running", "vllm:num_requests_waiting{") > 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_prompt_that_the_server_refuses_fails_with_its_words(
    drawing_server: Served, tmp_path: Path
) -> None:
    strange = tiny_model(tmp_path)
    strange.tokenizer.add_tokens(["?!"])
    engine = VllmEngine(drawing_server.url, strange, Sampling("tiny", 0.7, 6), in_flight=8)
    refused = Unit(UUID(int=9), 0, 0, ask("?!"), None)
    with pytest.raises(EngineError, match="out of vocabulary"):
        list(engine.draw([refused]))
    assert engine.works()
