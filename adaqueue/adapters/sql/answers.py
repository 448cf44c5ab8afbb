"""SQL of the table `answers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from adaqueue.adapters.sql.bulk import insert_rows
from adaqueue.adapters.tables import AnswerRow


def insert_new(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts answers; a query's first answer stays."""
    if rows:
        conn.execute(insert_rows(AnswerRow, rows).on_conflict_do_nothing())
