"""Proves what the vLLM engine asks a server for, how much at a time, and what it makes of the responses."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adaqueue.adapters.prompt_encoder import PromptEncoder
from adaqueue.core.records import Sample
from adaqueue.demo.queries import model_path
from adaqueue.errors import EngineError
from tests.contracts.cases import draw
from tests.contracts.stub import Body, Stub, drawn, engine_at, prompts, queries, query_of, serve, units
from tests.models import ask


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a stub's slow responses wait for; opened at the end at the latest."""
    opened = threading.Event()
    yield opened
    opened.set()


def test_a_query_is_one_request_and_each_sample_gets_its_own_response() -> None:
    with serve(Stub(drawn)) as stub:
        samples = draw(engine_at(stub.url), [*units(1, 0, 1, 2), *units(2, 4)])
    assert sorted((body["seed"], body["n"]) for body in stub.asked) == [(1_000, 3), (2_004, 1)]
    assert {(s.query_id.int, s.number, s.seed, s.text) for s in samples} == {
        (query, number, 1_000 * query + number, str(1_000 * query + number))
        for query, number in [(1, 0), (1, 1), (1, 2), (2, 4)]
    }


def test_a_request_says_all_that_a_server_could_have_other_defaults_for() -> None:
    with serve(Stub(drawn)) as stub:
        draw(engine_at(stub.url), units(1, 0))
    assert stub.asked == [
        {
            "model": "m",
            "prompt": prompts().encode(ask("1")),
            "n": 1,
            "seed": 1_000,
            "temperature": 0.7,
            "max_tokens": 8,
            "top_p": 1.0,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "stop_token_ids": sorted(prompts().stops),
            "return_token_ids": True,
        }
    ]


def test_gaps_between_numbers_and_too_many_samples_make_requests_of_their_own() -> None:
    with serve(Stub(drawn)) as stub:
        samples = draw(engine_at(stub.url, in_flight=3), units(1, 5, 0, 1, 2, 3, 9))
    assert sorted((body["seed"], body["n"]) for body in stub.asked) == [
        (1_000, 3),
        (1_003, 1),
        (1_005, 1),
        (1_009, 1),
    ]
    assert all(sample.text == str(sample.seed) for sample in samples)


def test_a_greedy_sample_is_a_request_of_its_own() -> None:
    with serve(Stub(drawn)) as stub:
        draw(engine_at(stub.url, temperature=0.0), units(1, 0, 1))
    assert [body["n"] for body in stub.asked] == [1, 1]


def test_no_more_is_in_flight_than_allowed_and_no_less() -> None:
    def slowly(body: Body) -> tuple[int, Any]:
        time.sleep(0.02)
        return drawn(body)

    asked = [unit for query in range(1, 20) for unit in units(query, *range(4))]
    with serve(Stub(slowly)) as stub:
        responses = list(engine_at(stub.url, in_flight=12).draw(asked))
    assert stub.most_in_flight == 12
    assert sum(map(len, responses)) == len(asked)
    assert max(map(len, responses)) <= 12


def test_a_slow_query_holds_no_other(gate: threading.Event) -> None:
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


def test_requests_go_on_while_a_response_is_being_worked_on() -> None:
    with serve(Stub(drawn)) as stub:
        responses = engine_at(stub.url, in_flight=1).draw([u for q in range(1, 9) for u in units(q, 0)])
        next(responses)
        deadline = time.monotonic() + 10
        while len(stub.asked) < 8 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(stub.asked) == 8
        responses.close()  # type: ignore[attr-defined] # a generator


def test_tokens_are_shared_out_where_the_server_counts_them_together() -> None:
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
    changes: dict[str, Any], words: str
) -> None:
    with (
        serve(Stub(lambda body: drawn(body, **changes))) as stub,
        pytest.raises(EngineError, match=words),
    ):
        draw(engine_at(stub.url), units(1, 0))


def test_a_prompt_encoder_loads_no_weights(tmp_path: Path) -> None:
    for file in model_path().iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert PromptEncoder(str(tmp_path), "m").encode(ask("1")) == prompts().encode(ask("1"))
