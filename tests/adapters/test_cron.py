"""Proves that everybody finds the same slot of the schedule, and that no impossible schedule is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from adaqueue.adapters.cron import last_due, schedule_of
from adaqueue.errors import SettingsError


def due(text: str, now: str) -> str | None:
    found = last_due(schedule_of("retrain_at", text), datetime.fromisoformat(now).replace(tzinfo=UTC))
    return None if found is None else found.strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("text", "now", "last"),
    [
        ("0 3 * * *", "2026-11-22T03:00:00", "2026-11-22 03:00"),
        ("0 3 * * *", "2026-11-22T02:59:59.9", "2026-11-21 03:00"),
        ("0 3 * * *", "2026-03-01T00:00:00", "2026-02-28 03:00"),
        ("*/15 * * * *", "2026-11-22T17:44:10", "2026-11-22 17:30"),
        ("30 3 * * 1-5", "2026-11-22T17:00:00", "2026-11-20 03:30"),
        ("0 0 1 1 *", "2026-11-22T17:00:00", "2026-01-01 00:00"),
        ("0 12 29 2 *", "2026-11-22T17:00:00", "2024-02-29 12:00"),
        ("0 6 * * 0", "2026-11-22T05:00:00", "2026-11-15 06:00"),
    ],
)
def test_the_newest_time_at_which_it_was_due_is_found(text: str, now: str, last: str) -> None:
    assert due(text, now) == last


def test_the_slot_is_the_same_in_every_time_zone() -> None:
    schedule = schedule_of("retrain_at", "0 3 * * *")
    here = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
    there = here.astimezone(timezone(timedelta(hours=-8)))
    assert last_due(schedule, here) == last_due(schedule, there)


@pytest.mark.parametrize("text", ["", "3", "0 3 * *", "61 3 * * *", "0 3 * * * *", "a b c d e", "0 3 31 2 *"])
def test_a_schedule_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match=r"retrain_at: .* such as '0 3 \* \* \*'"):
        schedule_of("retrain_at", text)
