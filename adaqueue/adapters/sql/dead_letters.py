"""SQL of the table `dead_letters`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from adaqueue.adapters.sql.bulk import insert_rows
from adaqueue.adapters.tables import DeadLetterRow


def bury(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keeps (id, run_id, external_id, content, payload, reason) of what could not be carried out, once."""
    if rows:
        conn.execute(insert_rows(DeadLetterRow, rows).on_conflict_do_nothing())
