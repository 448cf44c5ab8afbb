"""Proves what the vLLM engine does of a server's faults: who is not at fault is not charged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adaqueue.adapters.prompt_encoder import PromptEncoder
from adaqueue.adapters.vllm_engine import VllmEngine
from adaqueue.adapters.vllm_link import Patience
from adaqueue.core.records import Sample, Unit
from adaqueue.core.specs import Sampling
from adaqueue.demo.queries import model_path
from adaqueue.errors import EngineError
from tests.contracts.stub import Body, Stub, drawn, serve
from tests.contracts.vllm import free_port
from tests.models import ask

IMPATIENT = Patience(away_seconds=0.5, response_seconds=30.0)


@pytest.fixture(scope="module")
def prompts() -> PromptEncoder:
    return PromptEncoder(str(model_path()), "m")


@pytest.fixture
def engine_at(prompts: PromptEncoder) -> Callable[..., VllmEngine]:
    def engine_at(url: str, in_flight: int = 8, temperature: float = 0.7, **given: Any) -> VllmEngine:
        sampling = Sampling("m", temperature, 8)
        return VllmEngine(url, prompts, sampling, in_flight=in_flight, **given)

    return engine_at


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a stub's slow responses wait for; opened at the end at the latest."""
    opened = threading.Event()
    yield opened
    opened.set()


EngineAt = Callable[..., VllmEngine]


def units(query: int, *numbers: int) -> list[Unit]:
    """Seeds say query and number; the prompts of two queries differ."""
    return [Unit(UUID(int=query), n, 1_000 * query + n, ask(str(query)), None) for n in numbers]


def draw(engine: VllmEngine, asked: Sequence[Unit]) -> list[Sample]:
    return [sample for response in engine.draw(asked) for sample in response]


def draw_until_it_fails(engine: VllmEngine, asked: Sequence[Unit]) -> tuple[list[Sample], str]:
    seen: list[Sample] = []
    try:
        for response in engine.draw(asked):
            seen.extend(response)
    except EngineError as error:
        return seen, str(error)
    raise AssertionError("the engine drew what cannot be drawn")


def queries(samples: Sequence[Sample]) -> set[int]:
    return {sample.query_id.int for sample in samples}


def query_of(body: Body) -> int:
    return int(body["seed"]) // 1_000


def test_a_query_is_one_request_and_each_sample_gets_its_own_response(engine_at: EngineAt) -> None:
    with serve(Stub(drawn)) as stub:
        samples = draw(engine_at(stub.url), [*units(1, 0, 1, 2), *units(2, 4)])
    assert sorted((body["seed"], body["n"]) for body in stub.asked) == [(1_000, 3), (2_004, 1)]
    assert {(s.query_id.int, s.number, s.seed, s.text) for s in samples} == {
        (query, number, 1_000 * query + number, str(1_000 * query + number))
        for query, number in [(1, 0), (1, 1), (1, 2), (2, 4)]
    }


def test_a_request_says_all_that_a_server_could_have_other_defaults_for(
    engine_at: EngineAt, prompts: PromptEncoder
) -> None:
    with serve(Stub(drawn)) as stub:
        draw(engine_at(stub.url), units(1, 0))
    assert stub.asked == [
        {
            "model": "m",
            "prompt": prompts.encode(ask("1")),
            "n": 1,
            "seed": 1_000,
            "temperature": 0.7,
            "max_tokens": 8,
            "top_p": 1.0,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "stop_token_ids": sorted(prompts.stops),
            "return_token_ids": True,
        }
    ]


def test_gaps_between_numbers_and_too_many_samples_make_requests_of_their_own(engine_at: EngineAt) -> None:
    with serve(Stub(drawn)) as stub:
        samples = draw(engine_at(stub.url, in_flight=3), units(1, 5, 0, 1, 2, 3, 9))
    assert sorted((body["seed"], body["n"]) for body in stub.asked) == [
        (1_000, 3),
        (1_003, 1),
        (1_005, 1),
        (1_009, 1),
    ]
    assert all(sample.text == str(sample.seed) for sample in samples)


def test_a_greedy_sample_is_a_request_of_its_own(engine_at: EngineAt) -> None:
    with serve(Stub(drawn)) as stub:
        draw(engine_at(stub.url, temperature=0.0), units(1, 0, 1))
    assert [body["n"] for body in stub.asked] == [1, 1]


def test_no_more_is_in_flight_than_allowed_and_no_less(engine_at: EngineAt) -> None:
    def slowly(body: Body) -> tuple[int, Any]:
        time.sleep(0.02)
        return drawn(body)

    asked = [unit for query in range(1, 20) for unit in units(query, *range(4))]
    with serve(Stub(slowly)) as stub:
        responses = list(engine_at(stub.url, in_flight=12).draw(asked))
    assert stub.most_in_flight == 12
    assert sum(map(len, responses)) == len(asked)
    assert max(map(len, responses)) <= 12


def test_a_slow_query_holds_no_other(engine_at: EngineAt, gate: threading.Event) -> None:
    def reply(body: Body) -> tuple[int, Any]:
        if query_of(body) == 1:
            gate.wait()
        return drawn(body)

    with serve(Stub(reply)) as stub:
        responses = engine_at(stub.url, in_flight=2).draw([u for q in range(1, 9) for u in units(q, 0)])
        seen: list[Sample] = []
        while len(seen) < 7:
            seen.extend(next(responses))
        assert queries(seen) == set(range(2, 9))
        gate.set()
        assert queries([sample for response in responses for sample in response]) == {1}


def test_requests_go_on_while_a_response_is_being_worked_on(engine_at: EngineAt) -> None:
    with serve(Stub(drawn)) as stub:
        responses = engine_at(stub.url, in_flight=1).draw([u for q in range(1, 9) for u in units(q, 0)])
        next(responses)
        deadline = time.monotonic() + 10
        while len(stub.asked) < 8 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(stub.asked) == 8
        responses.close()  # type: ignore[attr-defined] # a generator


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_server_is_asked_again_and_nobody_is_charged(engine_at: EngineAt, status: int) -> None:
    def reply(body: Body) -> tuple[int, Any]:
        return drawn(body) if len(stub.asked) > 2 else (status, {"error": {"message": "overloaded"}})

    with serve(Stub(reply)) as stub:
        samples = draw(engine_at(stub.url), units(1, 0, 1))
    assert len(samples) == 2
    assert len(stub.asked) == 3


def test_a_server_that_is_being_started_is_waited_for(engine_at: EngineAt) -> None:
    port = free_port()
    engine, seen = engine_at(f"http://127.0.0.1:{port}"), []
    thread = threading.Thread(target=lambda: seen.extend(draw(engine, units(1, 0))))
    thread.start()
    time.sleep(0.3)
    with serve(Stub(drawn), port):
        thread.join(20)
    assert queries(seen) == {1}


def test_a_server_that_stays_away_is_an_engine_error(engine_at: EngineAt) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    engine = engine_at(url, patience=IMPATIENT)
    with pytest.raises(EngineError, match=f"{url} cannot be reached: .* \\(for \\d+ s\\)"):
        draw(engine, units(1, 0))
    assert not engine.works()


def test_a_connection_that_breaks_fails_its_query_after_all_others_were_served(engine_at: EngineAt) -> None:
    def reply(body: Body) -> tuple[int, Any]:
        if query_of(body) == 2:
            raise ConnectionError
        return drawn(body)

    with serve(Stub(reply)) as stub:
        seen, reason = draw_until_it_fails(
            engine_at(stub.url, in_flight=2), [u for q in range(1, 9) for u in units(q, 0)]
        )
        assert engine_at(stub.url).works()
    assert queries(seen) == {1, 3, 4, 5, 6, 7, 8}
    assert reason.startswith(f"the connection to {stub.url} broke: ")
    assert [query_of(body) for body in stub.asked].count(2) == 1


def test_what_waits_is_not_given_to_a_dying_engine(engine_at: EngineAt) -> None:
    """Its HTTP server answers 500 at once until it is gone: all that waits would be charged."""
    died, back = threading.Event(), threading.Event()

    def reply(body: Body) -> tuple[int, Any]:
        died.set()
        return drawn(body) if back.is_set() else (500, {"error": {"message": "EngineCore died"}})

    with serve(Stub(reply, lambda: back.is_set() or not died.is_set())) as stub:
        timer = threading.Timer(0.5, back.set)
        timer.start()
        asked = [unit for query in range(1, 20) for unit in units(query, 0)]
        seen, reason = draw_until_it_fails(engine_at(stub.url, in_flight=3), asked)
        timer.join()
    assert reason == f"{stub.url} broke: 500 EngineCore died (and 2 more)"
    assert len(seen) == 16


def test_works_waits_for_a_server_that_is_started_afresh(engine_at: EngineAt) -> None:
    def reply(body: Body) -> tuple[int, Any]:
        if len(stub.asked) == 1:
            raise ConnectionError
        return drawn(body)

    with serve(Stub(reply)) as stub:
        assert engine_at(stub.url).works()
    assert [body["max_tokens"] for body in stub.asked] == [1, 1]


def test_an_engine_that_always_breaks_does_not_work(engine_at: EngineAt) -> None:
    with serve(Stub(lambda _: (500, {"error": {"message": "no"}}))) as stub:
        assert not engine_at(stub.url).works()
        with pytest.raises(EngineError, match="broke: 500 no"):
            engine_at(stub.url).wait_ready(5.0)


def test_a_refused_prompt_fails_with_the_servers_words_after_all_others(engine_at: EngineAt) -> None:
    def reply(body: Body) -> tuple[int, Any]:
        return (400, {"error": {"message": "too long"}}) if query_of(body) == 1 else drawn(body)

    with serve(Stub(reply)) as stub:
        seen, reason = draw_until_it_fails(engine_at(stub.url), [*units(1, 0, 1), *units(2, 0, 1)])
    assert queries(seen) == {2}
    assert reason == f"{stub.url} refuses the prompt: too long"


def test_a_server_that_does_not_know_the_model_does_not_work(engine_at: EngineAt) -> None:
    with serve(Stub(lambda _: (404, {"error": {"message": "The model `m` does not exist."}}))) as stub:
        with pytest.raises(EngineError, match="The model `m` does not exist"):
            engine_at(stub.url).wait_ready(60.0)
        assert not engine_at(stub.url).works()


def test_who_is_told_to_stop_leaves_a_hung_server_at_once(engine_at: EngineAt, gate: threading.Event) -> None:
    def reply(body: Body) -> tuple[int, Any]:
        gate.wait()
        return drawn(body)

    told = threading.Event()
    with serve(Stub(reply)) as stub:
        engine = engine_at(stub.url, stopping=told.is_set)
        threading.Timer(0.2, told.set).start()
        started = time.monotonic()
        assert draw(engine, units(1, 0)) == []
        assert not engine.works()
        assert time.monotonic() - started < 5
        gate.set()


def test_a_hung_server_is_given_up_after_a_time(engine_at: EngineAt, gate: threading.Event) -> None:
    def reply(body: Body) -> tuple[int, Any]:
        if query_of(body) == 1:
            gate.wait()
        return drawn(body)

    with serve(Stub(reply)) as stub:
        engine = engine_at(stub.url, patience=Patience(response_seconds=0.5))
        seen, reason = draw_until_it_fails(engine, [*units(1, 0), *units(2, 0)])
        gate.set()
    assert queries(seen) == {2}
    assert reason == f"{stub.url} gave no response within 0.5 s"


def test_who_leaves_early_leaves_no_thread_and_starts_no_further_request(
    engine_at: EngineAt, gate: threading.Event
) -> None:
    def reply(body: Body) -> tuple[int, Any]:
        if query_of(body) > 1:
            gate.wait()
        return drawn(body)

    before = threading.active_count()
    with serve(Stub(reply)) as stub:
        responses = engine_at(stub.url, in_flight=2).draw([u for q in range(1, 9) for u in units(q, 0)])
        assert queries(next(responses)) == {1}
        started = time.monotonic()
        responses.close()  # type: ignore[attr-defined] # a generator
        assert time.monotonic() - started < 2
        assert "vllm" not in "".join(thread.name for thread in threading.enumerate())
        gate.set()
        time.sleep(0.2)
        assert len(stub.asked) <= 3
    assert threading.active_count() == before


def test_tokens_are_shared_out_where_the_server_counts_them_together(engine_at: EngineAt) -> None:
    def reply(body: Body) -> tuple[int, Any]:
        return drawn(body, usage={"prompt_tokens": len(body["prompt"]), "completion_tokens": 8})

    with serve(Stub(reply)) as stub:
        samples = draw(engine_at(stub.url), units(1, 0, 1, 2))
    assert sorted(sample.tokens_out or 0 for sample in samples) == [2, 3, 3]
    assert {sample.text for sample in samples} == {"1000", "1001", "1002"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"usage": {"prompt_tokens": 99, "completion_tokens": 3}}, "made 99 tokens of a prompt of"),
        (
            {"choices": [{"index": 0, "text": "", "finish_reason": "abort"}]},
            "gave a response up: abort",
        ),
        ({"choices": []}, "says what cannot be read"),
        ({"choices": None}, "says what cannot be read"),
    ],
)
def test_a_response_that_is_not_what_was_asked_for_is_an_engine_error(
    engine_at: EngineAt, changes: dict[str, Any], words: str
) -> None:
    with (
        serve(Stub(lambda body: drawn(body, **changes))) as stub,
        pytest.raises(EngineError, match=words),
    ):
        draw(engine_at(stub.url), units(1, 0))


def test_a_prompt_encoder_loads_no_weights(tmp_path: Path, prompts: PromptEncoder) -> None:
    for file in model_path().iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert PromptEncoder(str(tmp_path), "m").encode(ask("1")) == prompts.encode(ask("1"))
