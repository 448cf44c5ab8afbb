"""Proves that a run of an evaluation ends, or says why it does not: it never waits for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import redis

from adaqueue.adapters.inbox import RedisInbox
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.live_runs import LiveRuns
from adaqueue.core.arrivals import Refusal
from adaqueue.core.errands import Errand, Ran
from adaqueue.core.query import Query
from adaqueue.errors import ConflictError, UnavailableError
from tests.scene import SAMPLING, Scene, closing, query, samples

ERRAND = Errand("run", "uniform", 2)


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database, purpose="evaluation")


@pytest.fixture
def begin(scene: Scene, redis_client: redis.Redis) -> Iterator[Callable[..., Future[Ran]]]:
    """Begins to ask, beside the test, which is ingest and all that follows."""
    inbox = RedisInbox(redis_client, consumer="ingest")
    inbox.take(1, 0.0)
    with ThreadPoolExecutor(1) as beside:

        def asks(asked: Sequence[Query], seconds: float = 60.0) -> Future[Ran]:
            runs = LiveRuns(scene.database, inbox, lambda _: scene.run, lambda _: None, "m", seconds)
            return beside.submit(runs.run, ERRAND, asked)

        yield asks


def answer(scene: Scene, names: Sequence[str]) -> None:
    claims = scene.sampler().claim(scene.grant(*[1] * len(names)))
    scene.sampler().finish([closing(claim) for claim in claims], [])


def test_results_come_when_all_have_ended(scene: Scene, begin: Callable[..., Future[Ran]]) -> None:
    scene.add(query("a"), query("b"))
    asking = begin([query("a"), query("b")])
    answer(scene, "ab")
    assert sorted(one.id for one in asking.result(20).results) == ["a", "b"]


def test_an_id_that_the_run_has_with_other_content_is_said_at_once(
    begin: Callable[..., Future[Ran]], scene: Scene, redis_client: redis.Redis
) -> None:
    RedisInbox(redis_client).admit([scene.arrival(query("a", reference="3"))])
    with pytest.raises(ConflictError, match=r"id: 'a': run .* has it with other content"):
        begin([query("a")]).result(20)


def test_what_another_gave_under_the_id_is_no_result(scene: Scene, begin: Callable[..., Future[Ran]]) -> None:
    scene.add(query("a"), query("b"))
    lost = scene.arrival(query("a", reference="3"))
    scene.ingest.bury([Refusal(lost.to_json(), "with other content", lost)])
    asking = begin([query("a"), query("b")], seconds=1.0)
    with pytest.raises(UnavailableError, match="2 of 2 queries have not ended, 0 of them found no room"):
        asking.result(20)


def test_a_run_in_which_nothing_moves_is_given_up(scene: Scene, begin: Callable[..., Future[Ran]]) -> None:
    with pytest.raises(UnavailableError, match=r"run 'run': nothing has moved for .* see `adaqueue status`"):
        begin([query("a"), query("b")], seconds=0.5).result(20)


def test_a_run_that_moves_however_slowly_is_waited_for(
    scene: Scene, begin: Callable[..., Future[Ran]]
) -> None:
    scene.add(query("a"))
    (key,) = scene.grant(6)
    (claim,) = scene.sampler().claim([key])
    asking = begin([query("a")], seconds=2.0)
    for number in range(4):
        time.sleep(0.7)
        scene.sampler().record([claim], SAMPLING, samples(claim, number))
    assert not asking.done()
    with pytest.raises(UnavailableError):
        asking.result(20)
