"""Proves that real rewards are bought where they improve most, and each query gets one sample."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.replay_engine import ReplayEngine
from adaqueue.core.query import Query
from adaqueue.flows.draw import draw
from adaqueue.flows.schedule import buy_once, schedule_once
from tests.flows.plant import Believer, Bell
from tests.scene import Scene, recorded

WAVES = 4
WINDOW = 20


def chat(name: str, *rewards: float, **fields: Any) -> Query:
    return Query(domain="chat", prompt="Tell a story.", id=name, recording=recorded(*rewards), **fields)


def live(scene: Scene) -> None:
    """Lets scheduler and sampler work until nothing is left to do."""
    windows, bell = scene.windows(window_queries=WINDOW), Bell()
    rounds = scene.rounds(windows.lease, waves=WAVES, window_queries=WINDOW)
    sampler = scene.sampler()
    for _ in range(500):
        entered = schedule_once(windows.lease, windows, Believer(), bell, WINDOW)
        bought = buy_once(windows.lease, rounds, bell, WAVES)
        for _, ids in bell.rung:
            draw(ids, sampler, ReplayEngine(), bell, Event())
        if not entered and not bought and not bell.rung and set(scene.outcomes().values()) == {"answered"}:
            windows.lease.release()
            return
        bell.rung.clear()
    raise AssertionError(f"never ended: {scene.outcomes()}")


def used(scene: Scene) -> dict[str, int]:
    rows = scene.rows("SELECT external_id, samples_used FROM answers JOIN queries q ON q.id = query_id")
    return {row.external_id: row.samples_used for row in rows}


def story(database: Database, **run: Any) -> Scene:
    usual = {"engine": "replay", "decoder": "replay", "policy": "sequential", "average_budget": 3.0}
    return Scene(database, **{**usual, **run})


def test_every_chat_query_gets_a_sample_and_the_best_one_is_its_answer(database: Database) -> None:
    scene = story(database, is_batch=True, average_budget=1.0)
    scene.add(*(chat(f"q{n}", float(n), 9.0) for n in range(6)))
    scene.results.seal_run(scene.run.id, 0)
    live(scene)
    assert used(scene) == {f"q{n}": 1 for n in range(6)}
    rows = scene.rows("SELECT reward, verified FROM answers ORDER BY reward")
    assert [tuple(row) for row in rows] == [(float(n), False) for n in range(6)]


def test_a_batch_draws_where_rewards_still_improve_and_spends_its_total(database: Database) -> None:
    scene = story(database, is_batch=True)
    poor = [chat(f"poor{n}", 2.0, 3.0, 2.5, 3.5, 2.0, 3.0) for n in range(4)]
    sure = [chat(f"sure{n}", *[9.0] * 6) for n in range(4)]
    scene.add(*poor, *sure)
    scene.results.seal_run(scene.run.id, 0)
    live(scene)
    drawn = used(scene)
    assert sum(drawn.values()) == 24
    assert sum(drawn[f"poor{n}"] for n in range(4)) > sum(drawn[f"sure{n}"] for n in range(4))


def test_a_stream_of_chat_gets_its_price_from_the_first_rewards(database: Database) -> None:
    scene = story(database)
    for window in range(3):
        scene.add(*(chat(f"w{window} q{n}", 1.0 + n % 3, 4.0, 2.0, 3.0, 5.0) for n in range(20)))
        live(scene)
    assert scene.one("SELECT price > 0 FROM accounts")
    assert 60 <= scene.one("SELECT granted - returned FROM accounts") <= 3 * 60 + 60


def test_uniform_gives_chat_its_sample_even_where_the_total_would_not(database: Database) -> None:
    scene = story(database, policy="uniform", average_budget=0.5)
    scene.add(*(chat(f"q{n}", 1.0, 2.0) for n in range(4)))
    live(scene)
    assert used(scene) == {f"q{n}": 1 for n in range(4)}


@pytest.mark.parametrize("policy", ["uniform_early_stop", "beta_window"])
def test_other_policies_take_chat_too(database: Database, policy: str) -> None:
    scene = story(database, policy=policy, is_batch=True)
    scene.add(*(chat(f"q{n}", 1.0, 2.0, 3.0, 4.0) for n in range(4)))
    scene.results.seal_run(scene.run.id, 0)
    live(scene)
    assert sum(used(scene).values()) == 12
