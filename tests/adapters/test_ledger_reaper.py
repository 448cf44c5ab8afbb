"""Proves that what dead workers held goes back to others, and that a bell nobody heard rings again."""

from __future__ import annotations

from uuid import UUID

import pytest

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import workers
from adaqueue.core.records import Claim
from tests.scene import SAMPLING, Scene, query, samples


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def granted(scene: Scene, *budgets: int) -> list[UUID]:
    scene.add(*(query(f"q{number}") for number in range(len(budgets))))
    return scene.grant(*budgets)


def claim(scene: Scene, allocation_id: UUID, worker: UUID | None = None) -> Claim:
    (found,) = scene.sampler(worker).claim([allocation_id])
    return found


def rung(scene: Scene) -> dict[tuple[str, bool], list[UUID]]:
    return dict(scene.reaper().overdue())


def test_a_dead_workers_allocations_go_back_and_a_live_workers_do_not(scene: Scene) -> None:
    one, two = granted(scene, 2, 2)
    dead, alive = scene.worker(), scene.worker()
    claim(scene, one, dead)
    claim(scene, two, alive)
    scene.pass_time(9.0)
    assert scene.reaper().return_orphans() == 0
    scene.pass_time(2.0)
    scene.beat(alive)
    assert scene.reaper().return_orphans() == 1
    assert scene.rows("SELECT id, state, worker_id FROM allocations ORDER BY id") == [
        (one, "ready", None),
        (two, "running", alive),
    ]
    assert scene.reaper().return_orphans() == 0
    assert claim(scene, one).attempt == 2


def test_a_worker_that_said_it_stops_is_not_waited_for(scene: Scene) -> None:
    (allocation_id,) = granted(scene, 1)
    worker = scene.worker()
    claim(scene, allocation_id, worker)
    with scene.database.begin() as conn:
        workers.stop(conn, worker)
    assert scene.reaper().return_orphans() == 1


def test_a_worker_that_nobody_knows_counts_as_dead(scene: Scene) -> None:
    (allocation_id,) = granted(scene, 1)
    claim(scene, allocation_id, UUID(int=5))
    assert scene.reaper().return_orphans() == 1


def test_what_a_dead_worker_may_have_wasted_is_an_upper_bound_without_what_it_committed(scene: Scene) -> None:
    sampler = scene.sampler()
    (held,) = sampler.claim(granted(scene, 5))
    sampler.record([held], SAMPLING, samples(held, 0, 3))
    scene.pass_time(11.0)
    scene.reaper().return_orphans()
    (attempt,) = scene.rows("SELECT * FROM attempts")
    assert (attempt.outcome, attempt.reason) == ("lost", "its worker died")
    assert (attempt.wasted_samples, attempt.wasted_tokens) == (3, 3 * SAMPLING.max_tokens)
    assert not attempt.wasted_is_exact
    assert attempt.ended_at is not None


def test_a_worker_that_died_after_it_committed_everything_wasted_nothing(scene: Scene) -> None:
    sampler = scene.sampler()
    (held,) = sampler.claim(granted(scene, 1))
    sampler.record([held], SAMPLING, samples(held, 0))
    scene.pass_time(11.0)
    scene.reaper().return_orphans()
    assert scene.one("SELECT wasted_samples, wasted_tokens, wasted_is_exact FROM attempts") == (0, 0, True)


def test_a_query_that_kills_its_workers_is_buried_and_its_unspent_budget_returned(scene: Scene) -> None:
    (allocation_id,) = granted(scene, 4)
    for death in range(3):
        sampler = scene.sampler()
        (held,) = sampler.claim([allocation_id])
        if death == 0:
            sampler.record([held], SAMPLING, samples(held, 0))
        scene.pass_time(11.0)
        assert scene.reaper().return_orphans() == 1
    assert scene.outcomes() == {"q0": "dead_lettered"}
    assert scene.one("SELECT reason FROM dead_letters") == "3 attempts failed, the last one: its worker died"
    assert scene.account() == {"allowed": 2, "granted": 4, "returned": 3}
    scene.pass_time(3_600.0)
    assert rung(scene) == {}


def test_an_allocation_that_nobody_took_is_rung_for_again_and_again(scene: Scene) -> None:
    (allocation_id,) = granted(scene, 1)
    for _ in range(3):
        scene.pass_time(14.0)
        assert rung(scene) == {}
        scene.pass_time(1.0)
        assert rung(scene) == {("transformers", False): [allocation_id]}
        assert rung(scene) == {}


def test_after_each_failure_the_pause_doubles_and_the_bell_rings_for_it_alone(scene: Scene) -> None:
    (allocation_id,) = granted(scene, 1)
    reaper = scene.reaper(most_failures=9)
    for pause in (1, 2, 4, 8, 15, 15):
        scene.sampler(most_failures=9).fail([claim(scene, allocation_id)], "broke", [])
        scene.pass_time(pause - 0.5)
        assert reaper.overdue() == {}
        scene.pass_time(0.5)
        assert reaper.overdue() == {("transformers", True): [allocation_id]}


def test_what_was_handed_back_is_rung_for_at_once(scene: Scene) -> None:
    (allocation_id,) = granted(scene, 1)
    sampler = scene.sampler()
    sampler.hand_back(sampler.claim([allocation_id]))
    assert rung(scene) == {("transformers", False): [allocation_id]}
    assert rung(scene) == {}


def test_what_a_worker_holds_or_has_done_is_not_rung_for(scene: Scene) -> None:
    held, _ = granted(scene, 1, 0)
    claim(scene, held)
    scene.pass_time(3_600.0)
    assert rung(scene) == {}


def test_each_engine_has_its_own_bell(database: Database) -> None:
    one, two = Scene(database, name="one"), Scene(database, name="two", engine="other")
    (first,), (second,) = granted(one, 1), granted(two, 1)
    one.pass_time(15.0)
    assert rung(one) == {("transformers", False): [first], ("other", False): [second]}


@pytest.fixture
def featured(database: Database) -> Scene:
    return Scene(database, has_features=True)


def test_features_that_nobody_began_are_rung_for_together(featured: Scene) -> None:
    keys = featured.add(query("a"), query("b"))
    featured.pass_time(14.0)
    assert rung(featured) == {}
    featured.pass_time(1.0)
    (bell,) = rung(featured).items()
    assert (bell[0], sorted(bell[1])) == (("features", False), keys)
    assert rung(featured) == {}


def test_features_that_were_begun_and_never_stored_are_rung_for_alone(featured: Scene) -> None:
    (key,) = featured.add(query())
    featured.features.begin([key])
    featured.pass_time(15.0)
    assert rung(featured) == {("features", True): [key]}


def test_a_prompt_that_kills_the_features_worker_goes_on_without_features(featured: Scene) -> None:
    (key,) = featured.add(query())
    for _ in range(3):
        assert list(featured.features.begin([key])) == [key]
        featured.pass_time(15.0)
        bells = rung(featured)
    assert bells == {}
    assert featured.one("SELECT state FROM queries") == "window"
    assert featured.features.begin([key]) == {}


def test_queries_wait_for_features_as_long_as_somebody_computes_them_and_not_for_ever(
    featured: Scene,
) -> None:
    featured.add(query())
    worker = featured.worker("features")
    featured.pass_time(15.0)
    created = "UPDATE queries SET created_at = created_at - interval '45 seconds' RETURNING 1"
    featured.rows(created)
    featured.beat(worker)
    rung(featured)
    assert featured.one("SELECT state FROM queries") == "features"
    featured.pass_time(11.0)
    rung(featured)
    assert featured.one("SELECT state FROM queries") == "window"


def test_features_that_came_are_rung_for_no_more(featured: Scene) -> None:
    one, two = featured.add(query("a"), query("b"))
    featured.features.begin([one, two])
    featured.features.store("f", {one: b"1234"}, [two])
    featured.pass_time(3_600.0)
    assert rung(featured) == {}
    assert featured.rows("SELECT state FROM queries") == [("window",), ("window",)]


def test_prompts_are_given_to_those_who_ask_only_while_they_wait_for_features(featured: Scene) -> None:
    one, two = featured.add(query("a", prompt="1 + 1"), query("b"))
    assert featured.features.begin([one])[one].prompt == "1 + 1"
    featured.features.store("f", {one: b"1234"}, [])
    assert list(featured.features.begin([one, two])) == [two]
    assert featured.rows("SELECT features_attempts FROM queries ORDER BY external_id") == [(1,), (1,)]


def test_two_reapers_at_once_return_and_ring_once(scene: Scene) -> None:
    one, two = granted(scene, 1, 1)
    claim(scene, one)
    scene.pass_time(20.0)
    with scene.database.begin() as conn:
        conn.exec_driver_sql("SELECT * FROM allocations FOR UPDATE")  # another reaper at its work
        assert scene.reaper().return_orphans() == 0
        assert rung(scene) == {}
    assert scene.reaper().return_orphans() == 1
    assert rung(scene) == {("transformers", False): [two]}
