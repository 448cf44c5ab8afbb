"""Proves that a worker is known as long as it lives, and that what it loses track of goes to others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from adaqueue.adapters.heartbeat import Heartbeat, ThreadHeartbeats
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.sampling import PostgresSamplingLedger
from tests.scene import Scene, query


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


@pytest.fixture
def heartbeat(database: Database) -> Iterator[Heartbeat]:
    heartbeat = Heartbeat(database, "sampler", 3_600.0)
    yield heartbeat
    heartbeat.stop()


def hold(scene: Scene, heartbeat: Heartbeat) -> None:
    """Lets the worker claim an allocation."""
    scene.add(query())
    ledger = PostgresSamplingLedger(scene.database, heartbeat.worker_id, decoder="m", most_failures=3)
    assert len(ledger.claim(scene.grant(2))) == 1


def test_a_worker_is_known_from_the_start(scene: Scene, heartbeat: Heartbeat) -> None:
    (row,) = scene.rows("SELECT id, kind, stopped_at FROM workers")
    assert (row.id, row.kind, row.stopped_at) == (heartbeat.worker_id(), "sampler", None)


def test_a_worker_is_heard_of_again_and_again(scene: Scene, database: Database) -> None:
    heartbeat = Heartbeat(database, "sampler", 0.01)
    scene.pass_time(3_600.0)
    deadline = time.monotonic() + 60
    while scene.one("SELECT heartbeat_at < now() - interval '1 minute' FROM workers"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    heartbeat.stop()


def test_a_worker_that_stops_is_known_to_have_stopped_and_gives_everything_back(
    scene: Scene, database: Database
) -> None:
    heartbeat = Heartbeat(database, "sampler", 3_600.0)
    hold(scene, heartbeat)
    heartbeat.stop()
    assert scene.one("SELECT stopped_at IS NOT NULL FROM workers WHERE kind = 'sampler'")
    assert scene.reaper().return_orphans() == 1


def test_a_worker_that_lost_track_becomes_another_and_the_attempt_counts(
    scene: Scene, heartbeat: Heartbeat
) -> None:
    hold(scene, heartbeat)
    before = heartbeat.worker_id()
    heartbeat.renew(blameless=False)
    assert heartbeat.worker_id() != before
    assert scene.reaper().return_orphans() == 1
    assert scene.one("SELECT state, failures FROM allocations") == ("ready", 1)
    assert scene.one("SELECT outcome FROM attempts") == "lost"


def test_where_the_servers_were_at_fault_the_attempt_does_not_count(
    scene: Scene, heartbeat: Heartbeat
) -> None:
    hold(scene, heartbeat)
    heartbeat.renew(blameless=True)
    assert scene.reaper().return_orphans() == 0
    assert scene.one("SELECT state, failures, worker_id FROM allocations") == ("ready", 0, None)
    assert scene.one("SELECT outcome FROM attempts") == "handed_back"
    assert list(scene.reaper().overdue()) == [("transformers", False)]


def test_a_new_identity_claims_what_the_old_one_lost(scene: Scene, heartbeat: Heartbeat) -> None:
    hold(scene, heartbeat)
    heartbeat.renew(blameless=True)
    ledger = PostgresSamplingLedger(scene.database, heartbeat.worker_id, decoder="m", most_failures=3)
    (claim,) = ledger.claim([row.id for row in scene.rows("SELECT id FROM allocations")])
    assert claim.attempt == 2
    assert scene.one("SELECT worker_id FROM allocations") == heartbeat.worker_id()


def test_a_fault_of_one_thread_takes_no_claim_from_the_others(scene: Scene, database: Database) -> None:
    beats, together = ThreadHeartbeats(lambda: Heartbeat(database, "verifier", 3_600.0)), Barrier(2)

    def hold_one(breaks: bool) -> bool:
        together.wait()
        mine = beats.own().worker_id()
        if breaks:
            beats.own().renew(blameless=False)
        together.wait()
        return beats.own().worker_id() == mine

    with ThreadPoolExecutor(2) as threads:
        kept = list(threads.map(hold_one, [True, False]))
    assert kept == [False, True]
    alive = "SELECT count(*) FROM workers WHERE kind = 'verifier' AND stopped_at IS NULL"
    assert scene.one(alive) == 2
    beats.stop()
    assert scene.one(alive) == 0
