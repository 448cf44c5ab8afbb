"""SQL of the table `predictions`: what was believed of queries before their first sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select

from adaqueue.adapters.sql.bulk import among, insert_rows
from adaqueue.adapters.tables import QueryRow
from adaqueue.adapters.work_tables import PredictionRow
from adaqueue.core.decisions import Account, Entering, Prediction

TABLE = PredictionRow.__table__


def insert_all(conn: Connection, window_id: UUID, entering: Sequence[Entering]) -> None:
    """Inserts what is believed of queries that enter in a window."""
    rows = []
    for query in entering:
        said = query.prediction
        a, b, c = said.curve or (None, None, None)
        row = {"alpha": said.alpha, "beta": said.beta, "probe": said.probe, "reason": said.reason}
        row |= {"zero": said.zero, "tokens": said.tokens}
        row |= {"query_id": query.query_id, "window_id": window_id}
        rows.append({**row, "curve_a": a, "curve_b": b, "curve_c": c})
    conn.execute(insert_rows(PredictionRow, rows))


def of_queries(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Prediction]:
    """Returns what was believed of each query."""
    rows = conn.execute(select(TABLE).where(among(PredictionRow.query_id, ids)))
    return {row.query_id: _prediction(row) for row in rows}


def of_account(conn: Connection, account: Account, most: int) -> list[Prediction]:
    """Returns what was believed of the account's queries, of so many at most."""
    statement = (
        select(TABLE)
        .join(QueryRow, QueryRow.id == PredictionRow.query_id)
        .where(QueryRow.run_id == account.run.id, QueryRow.tenant == account.tenant)
        .limit(most)
    )
    return [_prediction(row) for row in conn.execute(statement)]


def _prediction(row: Row[Any]) -> Prediction:
    curve = None if row.curve_a is None else (row.curve_a, row.curve_b, row.curve_c)
    return Prediction(row.alpha, row.beta, row.probe, row.reason, curve, row.zero, row.tokens)
