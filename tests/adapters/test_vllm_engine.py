"""Proves what the vLLM engine does of a server's faults: who is not at fault is not charged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from adaqueue.adapters.vllm_link import Patience
from adaqueue.errors import EngineError
from tests.contracts.cases import draw, draw_until_it_fails
from tests.contracts.stub import Body, Stub, drawn, engine_at, queries, query_of, serve, units
from tests.contracts.vllm import free_port

IMPATIENT = Patience(away_seconds=0.5, response_seconds=30.0)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a stub's slow responses wait for; opened at the end at the latest."""
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_server_is_asked_again_and_nobody_is_charged(status: int) -> None:
    def reply(body: Body) -> tuple[int, Any]:
        return drawn(body) if len(stub.asked) > 2 else (status, {"error": {"message": "overloaded"}})

    with serve(Stub(reply)) as stub:
        samples = draw(engine_at(stub.url), units(1, 0, 1))
    assert len(samples) == 2
    assert len(stub.asked) == 3


def test_a_server_that_is_being_started_is_waited_for() -> None:
    port = free_port()
    engine, seen = engine_at(f"http://127.0.0.1:{port}"), []
    thread = threading.Thread(target=lambda: seen.extend(draw(engine, units(1, 0))))
    thread.start()
    time.sleep(0.3)
    with serve(Stub(drawn), port):
        thread.join(20)
    assert queries(seen) == {1}


def test_a_server_that_stays_away_is_an_engine_error() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    engine = engine_at(url, patience=IMPATIENT)
    with pytest.raises(EngineError, match=f"{url} cannot be reached: .* \\(for \\d+ s\\)"):
        draw(engine, units(1, 0))
    assert not engine.works()


def test_a_connection_that_breaks_fails_its_query_after_all_others_were_served() -> None:
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


def test_what_waits_is_not_given_to_a_dying_engine() -> None:
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


def test_works_waits_for_a_server_that_is_started_afresh() -> None:
    def reply(body: Body) -> tuple[int, Any]:
        if len(stub.asked) == 1:
            raise ConnectionError
        return drawn(body)

    with serve(Stub(reply)) as stub:
        assert engine_at(stub.url).works()
    assert [body["max_tokens"] for body in stub.asked] == [1, 1]


def test_an_engine_that_always_breaks_does_not_work() -> None:
    with serve(Stub(lambda _: (500, {"error": {"message": "no"}}))) as stub:
        assert not engine_at(stub.url).works()
        with pytest.raises(EngineError, match="broke: 500 no"):
            engine_at(stub.url).wait_ready(5.0)


def test_a_refused_prompt_fails_with_the_servers_words_after_all_others() -> None:
    def reply(body: Body) -> tuple[int, Any]:
        return (400, {"error": {"message": "too long"}}) if query_of(body) == 1 else drawn(body)

    with serve(Stub(reply)) as stub:
        seen, reason = draw_until_it_fails(engine_at(stub.url), [*units(1, 0, 1), *units(2, 0, 1)])
    assert queries(seen) == {2}
    assert reason == f"{stub.url} refuses the prompt: too long"


def test_a_server_that_does_not_know_the_model_does_not_work() -> None:
    with serve(Stub(lambda _: (404, {"error": {"message": "The model `m` does not exist."}}))) as stub:
        with pytest.raises(EngineError, match="The model `m` does not exist"):
            engine_at(stub.url).wait_ready(60.0)
        assert not engine_at(stub.url).works()


def test_who_is_told_to_stop_leaves_a_hung_server_at_once(gate: threading.Event) -> None:
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


def test_a_hung_server_is_given_up_after_a_time(gate: threading.Event) -> None:
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


def test_who_leaves_early_leaves_no_thread_and_starts_no_further_request(gate: threading.Event) -> None:
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
