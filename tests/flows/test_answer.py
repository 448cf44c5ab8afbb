"""Proves that claims become answers through every fault: nothing is drawn twice, nothing judged wrongly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Event
from uuid import UUID

import pytest

from adaqueue.adapters.domain_verifier import DomainVerifier
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.math_check import MathChecker
from adaqueue.adapters.math_verifier import MathVerifier
from adaqueue.adapters.replay_engine import ReplayEngine
from adaqueue.core.records import Sample, Unit
from adaqueue.errors import EngineError, UnavailableError
from adaqueue.flows.audit import Auditor
from adaqueue.flows.draw import draw
from adaqueue.flows.verify import verify
from adaqueue.ports import Engine, Verifier
from tests.flows.crashes import Crash
from tests.flows.plant import POISON, Bell, Drawer, Judge, Plant, cut_off_everywhere, submit
from tests.scene import Scene, query, recorded

ANSWERED = "SELECT count(*) FROM queries WHERE state = 'closed' AND outcome = 'answered'"
VERIFIER = DomainVerifier({"math": MathVerifier(MathChecker(None))})


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


class Desk:
    """A sampler and a verifier, at a run whose queries have their budgets."""

    def __init__(self, scene: Scene, drawer: Drawer | None = None) -> None:
        self.scene = scene
        self.drawer = drawer or Drawer()
        self.judge = Judge()
        self.stopping = Event()

    def work(self, *ids: UUID) -> int:
        """Draws, then verifies what was drawn; returns how many queries were answered."""
        return work(self.scene, ids, self.drawer, self.judge, self.stopping)

    def ring(self) -> list[list[UUID]]:
        """Lets time pass and works off whatever the reaper then rings for; returns the batches."""
        self.scene.pass_time(60.0)
        batches = []
        for (_, alone), ids in self.scene.reaper().overdue().items():
            batches += [[key] for key in ids] if alone else [ids]
        for batch in batches:
            self.work(*batch)
        return batches


def work(
    scene: Scene, ids: Sequence[UUID], engine: Engine, verifier: Verifier, stopping: Event | None = None
) -> int:
    bell, before = Bell(), scene.one(ANSWERED)
    draw(ids, scene.sampler(most_failures=3), engine, bell, stopping or Event())
    rung = [key for queue, batch in bell.rung for key in batch if queue == "verify"]
    verify([*ids, *rung], scene.verifier(most_failures=3), verifier, Auditor(verifier, 0.0), {}, Event())
    return int(scene.one(ANSWERED) - before)


def grant(scene: Scene, **budgets: int) -> list[UUID]:
    """Gives each query its budget; one whose name begins with poison has a prompt that breaks the engine."""
    for name in budgets:
        scene.add(query(name, prompt=name, reference="1"))
    return scene.grant(*budgets.values())


def answers(scene: Scene) -> dict[str, tuple[str | None, float | None, int]]:
    rows = scene.rows(
        "SELECT external_id, text, reward, samples_used FROM answers JOIN queries q ON q.id = query_id"
    )
    return {row.external_id: (row.text, row.reward, row.samples_used) for row in rows}


def test_the_best_of_what_was_drawn_is_the_answer(scene: Scene) -> None:
    desk = Desk(scene)
    assert desk.work(*grant(scene, three=3, two=2, one=1)) == 3
    assert answers(scene) == {"three": ("1", 1.0, 3), "two": ("1", 1.0, 2), "one": ("0", 0.0, 1)}
    verified = dict(
        (row.external_id, row.verified)
        for row in scene.rows("SELECT external_id, verified FROM answers JOIN queries q ON q.id = query_id")
    )
    assert verified == {"three": True, "two": True, "one": False}
    assert desk.work(*(row.id for row in scene.rows("SELECT id FROM allocations"))) == 0


def test_a_response_is_committed_before_anything_is_made_of_it(scene: Scene) -> None:
    desk = Desk(scene)
    early: list[Sample] = []

    def look(sample: Sample) -> bool:
        stored = scene.rows(
            "SELECT 1 FROM samples WHERE query_id = :key AND number = :number",
            key=sample.query_id,
            number=sample.number,
        )
        if not stored:
            early.append(sample)
        return False

    desk.judge.out_of_order = look
    assert desk.work(*grant(scene, a=2, b=3)) == 2
    assert early == []


def test_recorded_samples_are_answered_with_as_they_were_recorded(database: Database) -> None:
    scene = Scene(database, engine="replay")
    scene.add(query("a", recording=recorded(0, 0.25, 0.5)), query("b", recording=recorded(0, 0)))
    ids = scene.grant(3, 1)
    assert work(scene, ids, ReplayEngine(2), VERIFIER) == 2
    assert answers(scene) == {"a": ("sample 2", 0.5, 3), "b": ("sample 0", 0.0, 1)}
    assert scene.rows("SELECT DISTINCT verifier FROM verdicts") == [("recorded",)]


def test_an_engine_that_breaks_counts_a_failure_and_what_it_yielded_stands(scene: Scene) -> None:
    drawer = Drawer()
    drawer.breaks_after = 3
    desk = Desk(scene, drawer)
    assert desk.work(*grant(scene, first=2, second=3)) == 1
    assert scene.outcomes() == {"first": "answered", "second": None}
    assert scene.one("SELECT failures FROM allocations WHERE state = 'ready'") == 1
    assert scene.one("SELECT reason FROM attempts WHERE outcome = 'failed'") == "it broke"
    assert len(desk.ring()) == 1
    assert answers(scene)["second"] == ("1", 1.0, 3)
    assert max(drawer.drawn.values()) == 1


def test_an_engine_that_breaks_after_all_was_answered_harms_nobody(scene: Scene) -> None:
    drawer = Drawer()
    drawer.breaks_after = 2
    assert Desk(scene, drawer).work(*grant(scene, a=2)) == 1
    assert scene.outcomes() == {"a": "answered"}


def test_a_poison_prompt_drags_none_of_its_batch_mates_along(scene: Scene) -> None:
    desk = Desk(scene)
    ids = grant(scene, a=2, poison=3, b=2)
    assert desk.work(*ids) == 0
    assert scene.rows("SELECT DISTINCT failures FROM allocations") == [(1,)]
    assert sorted(desk.ring()) == sorted([[key] for key in ids])
    assert scene.outcomes() == {"a": "answered", "b": "answered", POISON: None}
    desk.ring()
    assert scene.outcomes()[POISON] == "dead_lettered"
    (reason,) = scene.rows("SELECT reason FROM dead_letters")
    assert reason[0] == "3 attempts failed, the last one: poison was drawn for"
    assert scene.account()["returned"] == 3
    assert desk.ring() == []


class Sick(Drawer):
    """Works until it meets poison, and then no more: only a new process helps."""

    def __init__(self, sick: bool = False) -> None:
        super().__init__()
        self.sick = sick

    def works(self) -> bool:
        return not self.sick

    def draw(self, units: Sequence[Unit]) -> Iterator[list[Sample]]:
        self.sick = self.sick or any(POISON in unit.messages[0]["content"] for unit in units)
        if self.sick:
            raise EngineError("it is sick")
        return super().draw(units)


def test_an_engine_that_can_draw_nothing_at_all_ends_its_process_and_costs_one_attempt(scene: Scene) -> None:
    ids = grant(scene, a=1, b=1)
    desk = Desk(scene, Sick(sick=True))
    with pytest.raises(EngineError, match="it is sick"):
        desk.work(*ids)
    assert scene.rows("SELECT DISTINCT state, failures FROM allocations") == [("ready", 1)]
    assert scene.rows("SELECT DISTINCT outcome FROM attempts") == [("failed",)]
    desk.drawer = Drawer()
    assert desk.work(*ids) == 2


def test_a_prompt_that_makes_the_engine_sick_ends_as_a_dead_letter_and_harms_no_mate(scene: Scene) -> None:
    desk = Desk(scene)
    grant(scene, a=1, poison=1, b=1)
    for _ in range(12):
        desk.drawer = Sick()  # the process ended and was started afresh
        with suppress(EngineError):
            desk.ring()
    assert scene.outcomes() == {"a": "answered", "b": "answered", POISON: "dead_lettered"}


def test_a_verifier_that_breaks_says_nothing_about_the_sample(scene: Scene) -> None:
    desk = Desk(scene)
    desk.judge.out_of_order = lambda sample: sample.number == 1
    ids = grant(scene, a=3)
    for _ in range(2):
        assert desk.work(*ids) == 0
        assert scene.rows("SELECT number, verdict, reward FROM verdicts ORDER BY number") == [
            (0, "wrong_answer", 0.0),
            (1, "not_verified", None),
            (2, "wrong_answer", 0.0),
        ]
        assert answers(scene) == {}
    desk.work(*ids)
    assert scene.outcomes() == {"a": "dead_lettered"}
    assert scene.one("SELECT reason FROM dead_letters") == (
        "3 attempts failed, the last one: not verified: out of order"
    )
    assert answers(scene) == {}
    assert max(desk.drawer.drawn.values()) == 1


def test_a_verifier_that_recovers_is_asked_again_for_what_it_owes_alone(scene: Scene) -> None:
    desk = Desk(scene)
    desk.judge.out_of_order = lambda sample: sample.number == 1
    ids = grant(scene, a=3)
    desk.work(*ids)
    desk.judge.out_of_order = lambda _: False
    assert desk.work(*ids) == 1
    assert answers(scene) == {"a": ("1", 1.0, 3)}
    assert sorted(desk.judge.seen.values()) == [1, 1, 2]
    assert sorted(desk.drawer.drawn.values()) == [1, 1, 1]


def test_a_verifier_that_breaks_on_one_query_harms_no_other(scene: Scene) -> None:
    desk = Desk(scene)
    ids = grant(scene, a=1, b=1)
    broken = scene.one("SELECT query_id FROM allocations WHERE id = :id", id=ids[0])
    desk.judge.out_of_order = lambda sample: sample.query_id == broken
    assert desk.work(*ids) == 1
    assert scene.outcomes() == {"a": None, "b": "answered"}


def test_the_real_verifier_asked_for_the_impossible_is_no_wrong_answer(database: Database) -> None:
    scene = Scene(database, engine="replay")
    scene.add(query("a", reference="$", recording=recorded(1)))
    ids = scene.grant(1)
    scene.rows("UPDATE queries SET recording = jsonb_set(recording, '{samples,0,1}', 'null') RETURNING 1")
    assert work(scene, ids, ReplayEngine(), VERIFIER) == 0
    assert scene.one("SELECT verdict, reward FROM verdicts") == ("not_verified", None)


class Lazy(Drawer):
    """Draws for the first query alone."""

    def draw(self, units: Sequence[Unit]) -> object:  # type: ignore[override]  # an engine gone wrong
        return super().draw([unit for unit in units if unit.query_id == units[0].query_id])


def test_an_engine_that_leaves_samples_undrawn_counts_as_broken(scene: Scene) -> None:
    assert Desk(scene, Lazy()).work(*grant(scene, a=2, b=2)) == 1
    assert scene.outcomes() == {"a": "answered", "b": None}
    assert scene.one("SELECT reason FROM attempts WHERE outcome = 'failed'") == (
        "the engine left samples undrawn"
    )


def test_who_is_told_to_stop_hands_back_after_the_response_at_hand(scene: Scene) -> None:
    desk = Desk(scene)
    desk.stopping.set()
    ids = grant(scene, a=2, b=4)
    assert desk.work(*ids) == 1
    assert scene.one("SELECT count(*) FROM samples") == 3
    assert scene.one("SELECT state, failures FROM allocations WHERE id = :id", id=ids[1]) == ("ready", 0)
    desk.stopping.clear()
    assert desk.ring() == [[ids[1]]]
    assert answers(scene) == {"a": ("1", 1.0, 2), "b": ("1", 1.0, 4)}
    assert max(desk.drawer.drawn.values()) == 1


class Slow(Drawer):
    """Is so slow that something happens after its first response."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__(batch=2)
        self._happens = happens

    def _sample(self, unit: Unit) -> Sample:
        if self.drawn.total() == 2:
            self._happens()
        return super()._sample(unit)


def test_a_claim_lost_on_the_way_is_left_to_its_new_holder_and_the_others_go_on(scene: Scene) -> None:
    ids = grant(scene, lost=5, kept=3)

    def lose() -> None:
        scene.rows(
            "UPDATE allocations SET worker_id = :nobody WHERE id = :id RETURNING 1", nobody=ids[1], id=ids[0]
        )
        scene.reaper().return_orphans()

    desk = Desk(scene, Slow(lose))
    assert desk.work(*ids) == 1
    assert scene.outcomes() == {"lost": None, "kept": "answered"}
    lost = scene.rows(
        "SELECT number FROM samples JOIN allocations a ON a.id = allocation_id WHERE a.id = :id", id=ids[0]
    )
    assert [row.number for row in lost] == [0, 1]
    waste = (
        "SELECT DISTINCT wasted_samples, wasted_tokens, wasted_is_exact FROM attempts "
        "WHERE allocation_id = :id"
    )
    assert scene.one(waste, id=ids[0]) == (3, 9, True)
    assert scene.one(waste, id=ids[1]) == (0, 0, True)
    assert len(desk.ring()) == 1
    assert answers(scene)["lost"] == ("1", 1.0, 5)


def test_there_is_nothing_to_do_for_ids_that_nobody_may_have(scene: Scene) -> None:
    desk = Desk(scene)
    assert desk.work() == 0
    assert desk.work(UUID(int=1)) == 0
    assert desk.drawer.drawn.total() == 0


def calm(plant: Plant) -> None:
    """Everything works, but for the fault."""


def faulty(plant: Plant) -> None:
    """The engine breaks once, then the verifier; both recover."""
    plant.most_failures = 50
    plant.restart()
    plant.drawer.breaks_after = 3
    plant.judge.out_of_order = lambda sample: plant.judge.seen.total() == 4


def stopping(plant: Plant) -> None:
    """The sampler is told to stop after every response, the verifier before it begins."""
    plant.stops = True


CASES = [
    (calm, Crash, False),
    (calm, Crash, True),
    (faulty, Crash, True),
    (faulty, UnavailableError, False),
    (stopping, Crash, False),
    (stopping, UnavailableError, True),
]


@pytest.mark.parametrize("flow", ["draw", "verify"])
@pytest.mark.parametrize(("mood", "fault", "after"), CASES)
def test_a_fault_at_any_call_costs_delay_alone(
    build: Callable[[str], Plant],
    mood: Callable[[Plant], None],
    fault: type[BaseException],
    after: bool,
    flow: str,
) -> None:
    def moody(name: str) -> Plant:
        plant = build(name)
        submit(plant, query("a", reference="1"), query("b", reference="1"))
        mood(plant)
        return plant

    assert cut_off_everywhere(moody, flow, fault, after) >= 3


def test_a_prompt_that_kills_every_sampler_ends_as_a_dead_letter_and_kills_no_mate(
    build: Callable[[str], Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = build("run")
    submit(plant, query("a", reference="1"), query("killer", prompt="kill", reference="1"))

    def draw(units: Sequence[Unit]) -> object:
        if any(unit.messages[0]["content"] == "kill" for unit in units):
            raise Crash
        return Drawer.draw(plant.drawer, units)

    monkeypatch.setattr(plant.drawer, "draw", draw)
    plant.settle()
    assert plant.scene.outcomes() == {"a": "answered", "killer": "dead_lettered"}
    assert plant.scene.account() == {"allowed": 4, "granted": 4, "returned": 2}
