"""Proves that real workers hear ids through a real broker, in JSON alone, and that an outage is said."""

from __future__ import annotations

import base64
import json
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from typing import Any
from uuid import UUID

import kombu
import pytest
import redis
from uuid_utils.compat import uuid7

from adaqueue.adapters.celery_app import CeleryDoorbell, make_app
from adaqueue.adapters.servers import ServerUrls
from adaqueue.errors import UnavailableError

PREFIX = "adaqueue:celery:"
WORKER = """
import os, sys
from adaqueue.adapters.celery_app import add_task, make_app, serve
from kombu.transport.redis import QoS
from redis import ConnectionError

def say(*words):
    os.write(1, " ".join(["say:", *map(str, words)]).encode() + b"\\n")

def hear(queue):
    def work(ids):
        say(queue, *ids)
        if len(ids) == 3:
            raise ValueError("three are too many")
        return len(ids)
    return work

if len(sys.argv) > 2:
    acknowledge, cut = QoS.ack, []

    def cut_the_first(qos, tag):
        if not cut:
            cut.append(tag)
            raise ConnectionError("cut")
        acknowledge(qos, tag)

    QoS.ack = cut_the_first
app = make_app(sys.argv[1])
for queue in ("features", "replay"):
    add_task(app, queue, hear(queue))
serve(app, "test", ["features", "replay"], lambda: say("stopping"))
say("stopped")
"""


@pytest.fixture
def broker_url(servers: ServerUrls, redis_client: redis.Redis) -> str:
    return servers.broker_url


@pytest.fixture
def bell(broker_url: str) -> Iterator[CeleryDoorbell]:
    app = make_app(broker_url)
    yield CeleryDoorbell(app)
    app.close()


class Worker:
    """A worker process and what it says."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def heard(self) -> tuple[str, list[UUID]]:
        queue, *ids = self.line().split()
        return queue, [UUID(key) for key in ids]

    def line(self, seconds: float = 60.0) -> str:
        return self._lines.get(timeout=seconds)

    def hears(self, ring: Callable[[], None]) -> bool:
        """Rings again and again, as the reaper does: a ring may be lost with its connection."""
        for _ in range(20):
            ring()
            with suppress(Empty):
                return bool(self.line(3.0))
        return False

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._thread.join()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                if line.startswith("say: "):  # Celery's own banner aside
                    self._lines.put(line.removeprefix("say: ").rstrip())


@pytest.fixture
def worker(broker_url: str) -> Iterator[Worker]:
    worker = Worker(broker_url)
    yield worker
    worker.end(signal.SIGKILL)


def keys(count: int) -> list[UUID]:
    return [uuid7() for _ in range(count)]


def waiting(client: redis.Redis, queue: str) -> list[dict[str, Any]]:
    """The messages that lie in the broker, as they travelled, oldest first."""
    found: Any = client.lrange(f"{PREFIX}{queue}", 0, -1)
    return [json.loads(message) for message in reversed(found)]


def body(message: dict[str, Any]) -> list[Any]:
    said: list[Any] = json.loads(base64.b64decode(message["body"]))
    return said


def test_a_worker_hears_ids_of_its_queues_survives_faults_keeps_no_results_and_ends_when_told(
    bell: CeleryDoorbell, worker: Worker, redis_client: redis.Redis
) -> None:
    two, three, one = keys(2), keys(3), keys(1)
    bell.ring("features", two)
    assert worker.heard() == ("features", two)
    bell.ring("features", three)
    assert worker.heard() == ("features", three)  # its task then fails
    bell.ring("replay", one)
    assert worker.heard() == ("replay", one)
    redis_client.client_kill_filter(_type="normal", skipme=True)
    bell.ring("elsewhere", one)
    assert worker.hears(lambda: bell.ring("replay", two))
    assert worker.end(signal.SIGTERM) == 0
    said = list(iter(worker.line, "stopped"))
    assert said[-1] == "stopping"
    names: Any = redis_client.keys("*")
    assert [name for name in names if not name.startswith(PREFIX) or "celery-task-meta" in name] == []


def test_a_worker_whose_connection_breaks_while_it_acknowledges_does_not_go_deaf(
    bell: CeleryDoorbell, broker_url: str
) -> None:
    worker = Worker(broker_url, "cut at the first acknowledgement")
    for _ in range(3):
        one = keys(1)
        bell.ring("features", one)
        assert worker.heard() == ("features", one)
    worker.end(signal.SIGKILL)


def test_a_worker_takes_json_alone(
    broker_url: str, bell: CeleryDoorbell, worker: Worker, redis_client: redis.Redis
) -> None:
    foreign = make_app(broker_url)
    foreign.conf.update(accept_content=["json", "pickle"])
    poison = [["not an id"], "no list", [5]]
    for argument in (["x"], *poison):
        serializer = "pickle" if argument == ["x"] else "json"
        foreign.send_task("features", args=[argument], queue="features", serializer=serializer)
    foreign.close()
    one = keys(1)
    bell.ring("features", one)
    assert worker.heard() == ("features", one)


def test_what_travels_is_json_with_ids_and_nothing_of_a_query(
    bell: CeleryDoorbell, redis_client: redis.Redis
) -> None:
    two = keys(2)
    bell.ring("replay", two)
    (message,) = waiting(redis_client, "sample-replay")
    assert message["content-type"] == "application/json"
    arguments, named, _ = body(message)
    assert (arguments, named) == ([[str(key) for key in two]], {})
    assert message["headers"]["task"] == "sample-replay"
    assert message["headers"]["ignore_result"]


@pytest.mark.parametrize(
    ("queue", "name", "sizes"),
    [("features", "features", [128, 128, 4]), ("replay", "sample-replay", [64, 64, 64, 64, 4])],
)
def test_many_ids_travel_in_batches_in_their_order(
    bell: CeleryDoorbell, redis_client: redis.Redis, queue: str, name: str, sizes: list[int]
) -> None:
    many = keys(260)
    bell.ring(queue, many)
    batches = [body(message)[0][0] for message in waiting(redis_client, name)]
    assert [len(batch) for batch in batches] == sizes
    assert [key for batch in batches for key in batch] == [str(key) for key in many]


def test_each_may_be_rung_for_alone(bell: CeleryDoorbell, redis_client: redis.Redis) -> None:
    three = keys(3)
    bell.ring("features", three, alone=True)
    assert [body(message)[0][0] for message in waiting(redis_client, "features")] == [
        [str(key)] for key in three
    ]


def test_it_is_known_how_many_rings_nobody_has_heard(bell: CeleryDoorbell) -> None:
    assert bell.waiting("replay") == 0
    bell.ring("replay", keys(3), alone=True)
    bell.ring("features", keys(3))
    assert (bell.waiting("replay"), bell.waiting("features")) == (3, 1)


def test_ringing_for_nothing_sends_nothing(bell: CeleryDoorbell, redis_client: redis.Redis) -> None:
    bell.ring("features", [])
    assert redis_client.keys("*") == []


@pytest.mark.parametrize("url", ["redis://localhost:1/0", "redis+socket:///nowhere/redis.sock"])
def test_a_broker_out_of_reach_is_said_without_waiting_for_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", naps.append)
    app = make_app(url)
    with pytest.raises(UnavailableError, match="Celery's broker: Error"):
        CeleryDoorbell(app).ring("features", keys(1))
    with pytest.raises(UnavailableError, match="Celery's broker: Error"):
        CeleryDoorbell(app).waiting("features")
    assert sum(naps) == 0
    app.close()


def test_a_broker_that_is_lost_between_two_rings_is_an_outage_at_most(
    bell: CeleryDoorbell, redis_client: redis.Redis
) -> None:
    bell.ring("features", keys(1))
    redis_client.client_kill_filter(_type="normal", skipme=True)
    try:
        bell.ring("features", keys(1))
    except UnavailableError:
        bell.ring("features", keys(1))
    assert len(waiting(redis_client, "features")) == 2


def test_a_broker_that_cannot_write_counts_as_out_of_reach(
    bell: CeleryDoorbell, redis_client: redis.Redis
) -> None:
    redis_client.config_set("maxmemory", "1")
    try:
        with pytest.raises(UnavailableError, match=r"Celery's broker: .*memory"):
            bell.ring("features", keys(1))
    finally:
        redis_client.config_set("maxmemory", "0")


def test_a_broker_behind_tls_must_show_its_certificate() -> None:
    assert make_app("rediss://host/0").conf.broker_use_ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    assert not make_app("redis://host/0").conf.broker_use_ssl


def test_what_gives_way_travels_in_small_batches_and_is_heard_after_everything_else(
    bell: CeleryDoorbell, broker_url: str
) -> None:
    late, early = keys(20), keys(3)
    bell.ring("replay", late, gives_way=True)
    bell.ring("replay", early)
    assert bell.waiting("replay") == 4
    heard: list[int] = []

    def hear(content: Any, message: Any) -> None:
        heard.append(len(content[0][0]))
        message.ack()

    with make_app(broker_url) as app, app.connection_for_read() as connection:
        consumer = connection.Consumer([kombu.Queue("sample-replay")], accept=["json"], prefetch_count=1)
        consumer.register_callback(hear)
        with consumer:
            while len(heard) < 4:
                connection.drain_events(timeout=10)
    assert heard == [3, 8, 8, 4]
