"""Proves that what lies in the inbox reaches the ledger once, or a dead letter, whatever fails in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from adaqueue.adapters.inbox import STREAM
from adaqueue.core.arrivals import Arrival, Refusal
from adaqueue.core.query import Query
from adaqueue.errors import UnavailableError
from adaqueue.flows.ingest import MOST_DELIVERIES, ingest_once, read, ring
from tests.flows.crashes import FAULTS
from tests.flows.plant import Bell, Plant, cut_off_everywhere, submit
from tests.scene import query


def reasons(plant: Plant) -> list[str]:
    return [row.reason for row in plant.scene.rows("SELECT reason FROM dead_letters ORDER BY reason")]


def left(plant: Plant) -> int:
    return int(str(plant.redis_client.xlen(STREAM)))


def take_in(plant: Plant) -> int:
    return ingest_once(plant.inbox, plant.scene.ingest, plant.bell)


def test_queries_are_committed_acknowledged_and_rung_for(plant: Plant) -> None:
    submit(plant, query("a"), query("b"))
    assert take_in(plant) == 2
    assert left(plant) == 0
    keys = [row.id for row in plant.scene.rows("SELECT id FROM queries ORDER BY external_id")]
    assert plant.bell.rung == [("features", keys)]
    assert take_in(plant) == 0


class Attentive(Bell):
    """Remembers what was rung for after everything else."""

    def __init__(self) -> None:
        super().__init__()
        self.last: list[list[UUID]] = []

    def ring(self, queue: str, ids: Sequence[UUID], *, alone: bool = False, gives_way: bool = False) -> None:
        super().ring(queue, ids, alone=alone, gives_way=gives_way)
        self.last += [list(ids)] if gives_way else []


def test_queries_of_an_evaluation_are_rung_for_after_those_that_serve(
    plant: Plant, build: Callable[..., Plant]
) -> None:
    night = build("night", purpose="evaluation")
    submit(night, query("last"))
    submit(plant, query("first"))
    bell = Attentive()
    assert ingest_once(plant.inbox, plant.scene.ingest, bell) == 2
    keys = {row.external_id: row.id for row in plant.scene.rows("SELECT id, external_id FROM queries")}
    assert bell.rung == [("features", [keys["first"]]), ("features", [keys["last"]])]
    assert bell.last == [[keys["last"]]]


def test_queries_that_need_no_features_are_rung_for_by_nobody(build: Callable[[str], Plant]) -> None:
    plant = Plant.build(build("other").scene.database, build("another").redis_client, has_features=False)
    submit(plant, query("a"))
    assert take_in(plant) == 1
    assert plant.bell.rung == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"id": 7}',
        b"[" * 100_000,
        b'{"id": "\\u0000", "run_id": "x", "query": {}}',
    ],
)
def test_what_cannot_be_read_becomes_a_dead_letter_and_the_rest_goes_on(plant: Plant, payload: bytes) -> None:
    plant.redis_client.xadd(STREAM, {b"arrival": payload})
    submit(plant, query("a"))
    assert take_in(plant) == 2
    assert plant.scene.outcomes() == {"a": None}
    (reason,) = reasons(plant)
    assert reason.startswith("cannot be read: ")
    assert left(plant) == 0


def test_a_query_that_does_not_pass_the_door_again_becomes_a_dead_letter(plant: Plant) -> None:
    payload = plant.scene.arrival(query("a")).to_json().replace("What is 1 + 1?", "\\u0000")
    plant.redis_client.xadd(STREAM, {"arrival": payload})
    take_in(plant)
    (reason,) = reasons(plant)
    assert reason.startswith("cannot be read: BadQueryError: prompt: ")


def test_a_row_that_postgres_refuses_stands_alone_in_the_end(plant: Plant) -> None:
    for number in range(9):
        given = query(f"q{number}") if number % 4 else Query("math", "a query without an id", "1")
        plant.redis_client.xadd(STREAM, {"arrival": plant.scene.arrival(given).to_json()})
    assert take_in(plant) == 9
    assert sorted(plant.scene.outcomes()) == ["q1", "q2", "q3", "q5", "q6", "q7"]
    assert len(plant.bell.rung[0][1]) == 6
    assert len(reasons(plant)) == 3
    assert all("external_id" in reason for reason in reasons(plant))
    assert left(plant) == 0


def test_an_entry_delivered_too_often_becomes_a_dead_letter_that_its_client_is_told(plant: Plant) -> None:
    submit(plant, query("a"))
    for _ in range(MOST_DELIVERIES):
        assert len(plant.inbox.take(1, 0.0)) == 1  # whoever took it died of it
        plant.pass_time()
    take_in(plant)
    (result,) = plant.scene.results.closed(plant.scene.run.id, ["a"])
    assert (result.outcome, result.reason) == ("dead_lettered", "delivered 6 times without success")
    assert plant.scene.outcomes() == {}


def test_an_entry_that_nobody_survives_reading_is_not_read_for_ever(plant: Plant) -> None:
    submit(plant, query("a"))
    for _ in range(2 * MOST_DELIVERIES):
        plant.inbox.take(1, 0.0)
        plant.pass_time()
    (entry,) = plant.inbox.take(1, 0.0)
    assert read([entry]) == ([], [Refusal(entry.payload, "delivered 11 times without success")])


class Away:
    """A ledger that is out of reach for a while."""

    def __init__(self, ledger: Any, calls: int) -> None:
        self._ledger = ledger
        self.calls = calls

    def insert(self, arrivals: Sequence[Arrival]) -> tuple[dict[UUID, bool], list[Refusal]]:
        self._answer()
        said: tuple[dict[UUID, bool], list[Refusal]] = self._ledger.insert(arrivals)
        return said

    def bury(self, refusals: Sequence[Refusal]) -> None:
        self._answer()
        self._ledger.bury(refusals)

    def _answer(self) -> None:
        if self.calls:
            self.calls -= 1
            raise UnavailableError("Postgres is away")


def test_an_outage_however_long_costs_delay_and_no_query(plant: Plant) -> None:
    submit(plant, query("a"), query("b"))
    ledger = Away(plant.scene.ingest, calls=3 * MOST_DELIVERIES)
    while ledger.calls:
        with pytest.raises(UnavailableError, match="Postgres is away"):
            ingest_once(plant.inbox, ledger, plant.bell)
    assert ingest_once(plant.inbox, ledger, plant.bell) == 2
    assert plant.scene.outcomes() == {"a": None, "b": None}
    assert reasons(plant) == []


def test_an_outage_while_dead_letters_are_written_loses_none(plant: Plant) -> None:
    plant.redis_client.xadd(STREAM, {"arrival": "{"})
    with pytest.raises(UnavailableError, match="Postgres is away"):
        ingest_once(plant.inbox, Away(plant.scene.ingest, calls=1), plant.bell)
    assert take_in(plant) == 1
    assert len(reasons(plant)) == 1


class Deaf:
    """A bell that nobody hears."""

    def waiting(self, queue: str) -> int:
        return 0

    def ring(self, queue: str, ids: Sequence[UUID], *, alone: bool = False, gives_way: bool = False) -> None:
        raise UnavailableError("nobody hears")


def test_a_bell_that_nobody_hears_is_left_to_the_reaper(plant: Plant) -> None:
    submit(plant, query("a"))
    assert ingest_once(plant.inbox, plant.scene.ingest, Deaf()) == 1
    assert left(plant) == 0
    ring(Deaf(), "features", [UUID(int=1)])


def test_nothing_is_rung_for_nobody(plant: Plant) -> None:
    ring(plant.bell, "features", [])
    assert plant.bell.rung == []


@pytest.mark.parametrize(("fault", "after"), FAULTS)
def test_a_fault_at_any_call_costs_delay_alone(
    build: Callable[[str], Plant], fault: type[BaseException], after: bool
) -> None:
    def with_strange_entries(name: str) -> Plant:
        plant = build(name)
        submit(plant, query("a", reference="1"), query("none", max_budget=0))
        plant.redis_client.xadd(STREAM, {"arrival": name})
        return plant

    calls = cut_off_everywhere(with_strange_entries, "ingest", fault, after)
    assert calls >= 5
    letters = set(reasons(build("last")))
    assert letters == {"cannot be read: JSONDecodeError: Expecting value: line 1 column 1 (char 0)"}
