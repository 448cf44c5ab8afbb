"""Proves that an evaluation gives way: its windows, its turns, its share of the engine."""

from __future__ import annotations

from typing import Any

import pytest

from adaqueue.adapters.ledger.database import Database
from adaqueue.core.decisions import Entering
from tests.scene import PRIOR, Scene, Windows, query

NIGHT: dict[str, Any] = {"name": "night", "purpose": "evaluation"}


def both(database: Database, **run: Any) -> tuple[Scene, Scene]:
    """An evaluation that came first, and a run that serves."""
    return Scene(database, **NIGHT, **run), Scene(database, name="live", **run)


def next_run(windows: Windows) -> str:
    window = windows.next_window()
    assert window is not None
    return window.run.name


def test_a_window_that_serves_comes_before_an_older_one_of_an_evaluation(database: Database) -> None:
    night, live = both(database)
    night.add(query("a"))
    live.add(query("b"))
    windows = live.windows()
    assert next_run(windows) == "live"
    live.grant(1)
    assert next_run(windows) == "night"


def test_a_window_of_an_evaluation_that_has_waited_for_long_has_its_turn(database: Database) -> None:
    night, live = both(database)
    night.add(query("a"))
    night.pass_time(11)
    live.add(query("b"))
    assert next_run(live.windows()) == "night"


def opened(scene: Scene, *names: str) -> None:
    """Takes queries in under a sequential policy."""
    scene.add(*(query(name) for name in names))
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), windows.next_window()
    assert epoch is not None
    assert window is not None
    windows.enter(epoch, window, [Entering(one.id, PRIOR, 0.5) for one in window.queries], None)
    windows.lease.release()


def turns(scene: Scene, count: int) -> list[str]:
    ledger = scene.rounds(scene.lease())
    found = [ledger.next_round() for _ in range(count)]
    return [one.account.run.name for one in found if one is not None]


def test_an_evaluation_has_no_turn_while_others_have_open_queries_but_every_two_seconds(
    database: Database,
) -> None:
    night, live = both(database, policy="sequential", is_batch=True)
    opened(night, "a")
    opened(live, "b")
    assert set(turns(live, 6)) == {"live"}
    night.rows("UPDATE accounts SET served_at = served_at - interval '3 seconds' RETURNING 1")
    assert set(turns(live, 6)) == {"live", "night"}


def test_an_evaluation_that_is_alone_has_every_turn(database: Database) -> None:
    night, _ = both(database, policy="sequential", is_batch=True)
    opened(night, "a")
    assert turns(night, 3) == ["night"] * 3


def room(scene: Scene) -> int:
    found = scene.rounds(scene.lease(), response_samples=20, waves=1).next_round()
    assert found is not None
    return found.room


@pytest.mark.parametrize(
    ("flying", "serving", "evaluating"), [(0, 40, 20), (15, 25, 8), (30, 10, 8), (100, 0, 8)]
)
def test_an_evaluation_fills_what_others_leave_of_one_response_and_a_little(
    database: Database, flying: int, serving: int, evaluating: int
) -> None:
    busy = Scene(database, name="busy", b_max=1_000)
    busy.add(query("z"))
    busy.grant(flying)
    for purpose, expected in (("serving", serving), ("evaluation", evaluating)):
        scene = Scene(
            database, name=purpose, purpose=purpose, policy="sequential", is_batch=True, average_budget=200.0
        )
        opened(scene, "a")
        assert room(scene) == expected
        scene.rows("UPDATE queries SET state = 'closed', outcome = 'abstained' RETURNING 1")
