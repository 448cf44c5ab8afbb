"""Proves that a slot of the schedule is worked off once, whoever asks, and what came of it is kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.trainings import PostgresTrainings


@pytest.fixture
def books(database: Database) -> PostgresTrainings:
    return PostgresTrainings(database)


def kept(database: Database) -> list[Any]:
    with database.begin() as conn:
        return list(conn.execute(text("SELECT state, report FROM trainings ORDER BY started_at")))


def report() -> dict[str, int]:
    return {"queries": 7}


def test_a_slot_is_worked_off_once_whoever_sends_it(books: PostgresTrainings) -> None:
    both, done = threading.Barrier(2), []

    def work() -> dict[str, int]:
        done.append(1)
        return report()

    def ask() -> object:
        both.wait()
        return books.once("m", "math", "retrain 03:00", work)

    with ThreadPoolExecutor(2) as pool:
        found = [future.result() for future in [pool.submit(ask) for _ in range(2)]]
    assert len(done) == 1
    assert sorted(found, key=str) == [None, {"queries": 7}]
    assert books.once("m", "math", "retrain 03:00", work) is None
    assert books.once("m", "code", "retrain 03:00", work) == {"queries": 7}


def test_what_is_asked_for_by_hand_is_always_done(books: PostgresTrainings, database: Database) -> None:
    assert [books.once("m", "math", None, report) for _ in range(2)] == [{"queries": 7}] * 2
    assert [row.state for row in kept(database)] == ["done", "done"]


def test_a_slot_that_failed_is_worked_off_again(books: PostgresTrainings, database: Database) -> None:
    def fails() -> dict[str, int]:
        raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError):
        books.once("m", "math", "s", fails)
    (row,) = kept(database)
    assert (row.state, row.report) == ("failed", {"error": "ZeroDivisionError: oh"})
    assert books.once("m", "math", "s", report) == {"queries": 7}
    assert [row.state for row in kept(database)] == ["done"]


def test_a_slot_whose_process_died_is_worked_off_again_minutes_later(
    books: PostgresTrainings, database: Database
) -> None:
    def dies() -> dict[str, int]:
        with database.begin() as conn:
            conn.execute(text("UPDATE trainings SET alive_at = now() - interval '3 minutes'"))
        assert books.once("m", "math", "s", report) == {"queries": 7}
        return {"queries": 8}

    books.once("m", "math", "s", dies)
    (row,) = kept(database)
    assert (row.state, row.report) == ("done", {"queries": 7})
