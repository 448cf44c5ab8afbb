"""Proves that whatever a crash left behind is taken up again, and that the reaper itself may crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import pytest

from adaqueue.adapters.ledger.database import Database
from adaqueue.errors import UnavailableError
from adaqueue.flows.reap import MOST_WAITING, Patience, reap_once
from tests.flows.crashes import FAULTS, Crash, Fuse
from tests.flows.plant import Bell, Plant, check_books, cut_off_everywhere, submit
from tests.scene import Scene, query


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def grant(scene: Scene, *names: str) -> list[UUID]:
    scene.add(*(query(name) for name in names))
    return scene.grant(*([1] * len(names)))


def test_what_a_dead_worker_held_is_rung_for_alone_after_a_pause(scene: Scene) -> None:
    ids = grant(scene, "a", "b")
    scene.sampler().claim(ids)
    bell = Bell()
    scene.pass_time(11.0)
    assert reap_once(scene.reaper(), bell) == 0
    scene.pass_time(1.0)
    assert reap_once(scene.reaper(), bell) == 2
    assert sorted(bell.rung) == sorted(("transformers", [key]) for key in ids)


def test_what_nobody_heard_of_is_rung_for_together(scene: Scene) -> None:
    ids = grant(scene, "a", "b")
    scene.pass_time(15.0)
    bell = Bell()
    assert reap_once(scene.reaper(), bell) == 2
    ((queue, rung),) = bell.rung
    assert (queue, sorted(rung)) == ("transformers", sorted(ids))


def test_where_all_is_well_nothing_is_rung_for(scene: Scene) -> None:
    grant(scene, "a")
    bell = Bell()
    assert reap_once(scene.reaper(), bell) == 0
    assert bell.rung == []


class Deaf:
    """A bell that nobody hears, until it is mended."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def waiting(self, queue: str) -> int:
        return 0

    def ring(self, queue: str, ids: Sequence[UUID], *, alone: bool = False, gives_way: bool = False) -> None:
        self.tried.append(queue)
        raise UnavailableError("nobody hears")


def test_a_bell_that_nobody_hears_keeps_no_other_from_ringing_and_rings_again_later(
    database: Database,
) -> None:
    features, sampling = Scene(database, name="one", has_features=True), Scene(database, name="two")
    features.add(query("a"))
    grant(sampling, "b")
    sampling.pass_time(15.0)
    deaf = Deaf()
    assert reap_once(sampling.reaper(), deaf) == 2
    assert sorted(deaf.tried) == ["features", "transformers"]
    sampling.pass_time(15.0)
    bell = Bell()
    assert reap_once(sampling.reaper(), bell) == 2
    assert sorted(queue for queue, _ in bell.rung) == ["features", "transformers"]


def test_where_many_rings_lie_unheard_no_more_are_added_until_they_are_heard(scene: Scene) -> None:
    ids = grant(scene, "a")
    scene.pass_time(15.0)
    flooded = Bell(unheard=MOST_WAITING)
    assert reap_once(scene.reaper(), flooded) == 0
    assert flooded.rung == []
    scene.pass_time(15.0)
    bell = Bell(unheard=MOST_WAITING - 1)
    assert reap_once(scene.reaper(), bell) == 1
    assert bell.rung == [("transformers", ids)]


class Mute(Bell):
    """A bell of which nobody can tell how often it rang unheard."""

    def waiting(self, queue: str) -> int:
        raise UnavailableError("who knows")


def test_a_bell_of_which_nothing_can_be_told_is_not_rung(scene: Scene) -> None:
    grant(scene, "a")
    scene.pass_time(15.0)
    mute = Mute()
    assert reap_once(scene.reaper(), mute) == 0
    assert mute.rung == []


def test_who_may_not_judge_takes_nothing_from_silent_workers_and_still_rings(scene: Scene) -> None:
    held, left = grant(scene, "a", "b")
    scene.sampler().claim([held])
    scene.pass_time(20.0)
    bell = Bell()
    assert reap_once(scene.reaper(), bell, may_judge=lambda: False) == 1
    assert bell.rung == [("transformers", [left])]
    assert scene.one("SELECT state FROM allocations WHERE id = :id", id=held) == "running"
    reap_once(scene.reaper(), bell, may_judge=lambda: True)
    assert scene.one("SELECT state FROM allocations WHERE id = :id", id=held) == "ready"


@pytest.mark.parametrize(
    ("rounds", "judged"),
    [
        ([1, 2, 3], [True, True, True]),
        ([6, 12, 18], [True, True, True]),
        ([1, 8, 13, 17, 18, 19], [True, False, False, False, True, True]),
        ([100, 105, 109, 110], [False, False, False, True]),
        ([7, 14, 16, 22, 24], [False, False, False, False, True]),
    ],
)
def test_after_a_gap_in_its_own_rounds_the_reaper_gives_workers_time_to_report(
    rounds: list[int], judged: list[bool]
) -> None:
    times = iter([0, *rounds])
    patience = Patience(lambda: next(times), seconds=10.0)
    assert [patience() for _ in rounds] == judged


@pytest.mark.parametrize(("fault", "after"), FAULTS)
def test_a_fault_at_any_call_costs_delay_alone(
    build: Callable[[str], Plant], fault: type[BaseException], after: bool
) -> None:
    def with_a_dead_sampler(name: str) -> Plant:
        plant = build(name)
        submit(plant, query("a", reference="1"))
        plant.fuses["draw"] = Fuse(at=3, after=True, fault=Crash)
        return plant

    assert cut_off_everywhere(with_a_dead_sampler, "reap", fault, after) >= 4


def test_when_everything_crashes_again_and_again_every_query_still_ends_once(
    build: Callable[[str], Plant],
) -> None:
    for at in range(6):
        plant = build(f"run {at}")
        plant.most_failures = 9
        plant.restart()
        submit(plant, *(query(name, reference="1") for name in "abc"), query("none", max_budget=0))
        for flow in ("ingest", "features", "schedule", "draw", "verify", "reap"):
            plant.fuses[flow] = Fuse(at=at, after=bool(at % 2), fault=Crash)
        plant.settle()
        check_books(plant)


def test_workers_that_hear_every_bell_three_times_do_everything_once(
    build: Callable[[str], Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = build("run")
    submit(plant, *(query(name, reference="1") for name in "abc"))
    ring = plant.bell.ring

    def ring_thrice(queue: str, ids: Sequence[UUID], *, alone: bool = False, gives_way: bool = False) -> None:
        for _ in range(3):
            ring(queue, ids, alone=alone)

    monkeypatch.setattr(plant.bell, "ring", ring_thrice)
    plant.settle()
    check_books(plant)
    assert len(plant.reader.read) == 3
    assert max(plant.drawer.drawn.values()) == 1
