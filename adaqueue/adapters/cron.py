"""When the schedule is due, as Celery's beat reads it, and when it last was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import crontab

from adaqueue.errors import SettingsError

FARTHEST = timedelta(days=366 * 8)
"""The 29th of February comes at least as often."""


def schedule_of(setting: str, text: str) -> Any:
    """Returns the schedule that five fields describe: minute hour day month weekday, in UTC; all must fit.

    Args:
        setting: which setting says so, for the error.
        text: as in `30 3 * * 1-5` or `*/15 * * * *`.

    Raises:
        SettingsError: they describe none.
    """
    fault = f"{setting}: {text!r}: give minute hour day month weekday, such as '0 3 * * *'"
    try:
        schedule = crontab.from_string(text)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{fault}: {error}") from None
    if last_due(schedule, datetime(2032, 3, 1, tzinfo=UTC)) is None:
        raise SettingsError(f"{fault}: no day is ever like that")
    return schedule


def last_due(schedule: Any, now: datetime) -> datetime | None:
    """Returns the newest minute at which the schedule was due, at most now; None if it was not for 8 years.

    Whoever is asked, on whatever machine, gives the same minute: it names the slot of the schedule.
    """
    at = now.astimezone(UTC).replace(second=0, microsecond=0)
    while now - at < FARTHEST:
        if not _fits_day(schedule, at):
            at = at.replace(hour=23, minute=59) - timedelta(days=1)
        elif at.hour not in schedule.hour:
            at = at.replace(minute=59) - timedelta(hours=1)
        elif at.minute not in schedule.minute:
            at -= timedelta(minutes=1)
        else:
            return at
    return None


def _fits_day(schedule: Any, at: datetime) -> bool:
    days = at.day in schedule.day_of_month and at.isoweekday() % 7 in schedule.day_of_week
    return days and at.month in schedule.month_of_year
