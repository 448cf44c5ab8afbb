"""Times on the database's own clock, the only one that all processes share."""

from __future__ import annotations

import datetime

from sqlalchemy import ColumnElement, func


def ago(seconds: float | ColumnElement[float]) -> ColumnElement[datetime.datetime]:
    """Returns the moment so many seconds before now."""
    return func.now() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
