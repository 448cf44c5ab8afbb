"""SQL of the table `answers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from adaqueue.adapters.sql.bulk import among, insert_rows
from adaqueue.adapters.work_tables import AnswerRow
from adaqueue.core.records import ABSTENTION


def store(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Stores answers; the answer of a query that is drawn again replaces the one before."""
    if rows:
        statement = insert_rows(AnswerRow, rows)
        given = {name: statement.excluded[name] for name in rows[0] if name != "query_id"}
        conn.execute(statement.on_conflict_do_update(index_elements=["query_id"], set_=given))


def abstain(conn: Connection, ids: Sequence[UUID]) -> None:
    """Answers queries that drew nothing with the abstention."""
    row = {"text": ABSTENTION, "reward": None, "verified": False, "budget": 0, "samples_used": 0}
    store(conn, [{"query_id": i, "sample_number": None, "abstained": True, **row} for i in ids])


def present(conn: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Returns those of the queries that have an answer."""
    return set(conn.execute(select(AnswerRow.query_id).where(among(AnswerRow.query_id, ids))).scalars())
