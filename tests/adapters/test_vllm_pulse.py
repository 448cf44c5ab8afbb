"""Proves that a server counts as hung only when nothing moves and it does not answer."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from adaqueue.adapters.vllm_link import http_client
from adaqueue.adapters.vllm_options import VllmOptions
from adaqueue.adapters.vllm_pulse import VllmPulse
from tests.contracts.stub import Body, Stub, serve

STALL_SECONDS = 0.2


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a hung stub waits for; opened at the end."""
    opened = threading.Event()
    yield opened
    opened.set()


def answers(_: Body) -> tuple[int, Any]:
    return 200, {}


def ailments(stub: Stub, seconds: float, start_seconds: float = 60.0) -> list[str]:
    """What is found wrong with a server that is looked at again and again."""

    async def look() -> list[str]:
        options = VllmOptions("source", "name", stub.port, 8)
        found = []
        loop = asyncio.get_running_loop()
        async with http_client(options.url, httpx.Timeout(STALL_SECONDS)) as client:
            pulse = VllmPulse(client, options, STALL_SECONDS, start_seconds)
            end = loop.time() + seconds
            while loop.time() < end:
                found.append(await pulse.ailment())
                await asyncio.sleep(0.02)
        return [ailment for ailment in found if ailment is not None]

    return asyncio.run(look())


def tokens(count: int) -> str:
    return f'vllm:generation_tokens_total{{engine="0"}} {count}.0\nvllm:other_total 1.0\n'


def test_an_idle_server_that_answers_is_well(gate: threading.Event) -> None:
    with serve(Stub(answers, metrics=lambda: tokens(7))) as stub:
        assert ailments(stub, 1.0) == []
    assert 1 <= len(stub.asked) <= 6
    assert stub.asked[0] == {"model": "name", "prompt": [0], "max_tokens": 1, "temperature": 0.0}


def test_a_server_that_stands_still_and_does_not_answer_is_hung(gate: threading.Event) -> None:
    def hangs(_: Body) -> tuple[int, Any]:
        gate.wait()
        return 200, {}

    with serve(Stub(hangs, metrics=lambda: tokens(7))) as stub:
        found = ailments(stub, 1.5)
        gate.set()
    assert found
    assert found[0].startswith("nothing moved for ")


def test_a_busy_server_that_makes_progress_is_never_even_asked(gate: threading.Event) -> None:
    moving = itertools.count()
    with serve(Stub(answers, metrics=lambda: tokens(next(moving)))) as stub:
        assert ailments(stub, 1.0) == []
    assert stub.asked == []


def test_a_probe_that_waits_behind_much_work_is_no_hang(gate: threading.Event) -> None:
    """Nothing moves until the probe is asked for; while it waits, other samples are drawn."""

    def waits(_: Body) -> tuple[int, Any]:
        gate.wait(1.0)
        return 200, {}

    with serve(Stub(waits)) as stub:
        stub.metrics = lambda: tokens(len(stub.asked))
        assert ailments(stub, 1.5) == []
        gate.set()
    assert len(stub.asked) >= 2


def test_a_server_that_does_not_get_ready_in_time_is_sick() -> None:
    with serve(Stub(answers, healthy=lambda: False)) as stub:
        (first, *_) = ailments(stub, 0.5, start_seconds=0.3)
    assert first.startswith("it was not ready after ")
    assert stub.asked == []


def test_a_server_that_says_that_its_engine_is_dead_is_sick() -> None:
    with serve(Stub(lambda _: (500, {"error": {"message": "EngineCore died"}}))) as stub:
        assert ailments(stub, 1.0)
