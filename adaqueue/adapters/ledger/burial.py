"""What happens to allocations after a fault: another try, or a dead letter and the budget returned."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from adaqueue.adapters.ledger.refunds import return_samples
from adaqueue.adapters.sql import allocations, dead_letters, queries, samples
from adaqueue.core.arrivals import Arrival
from adaqueue.core.query import Query


def bury_or_retry(conn: Connection, rows: Sequence[Row[Any]], reason: str, most_failures: int) -> int:
    """Lets locked allocations be tried again, and buries those that failed `most_failures` times.

    Returns:
        How many were buried.
    """
    again = [row.id for row in rows if row.failures < most_failures]
    if again:
        allocations.fail(conn, again)
    hopeless = [row for row in rows if row.failures >= most_failures]
    if hopeless:
        bury(conn, hopeless, f"{most_failures} attempts failed, the last one: {reason}")
    return len(hopeless)


def bury(conn: Connection, rows: Sequence[Row[Any]], reason: str) -> None:
    """Closes the allocations' queries as dead letters and returns what was not drawn to the account."""
    allocations.bury(conn, [row.id for row in rows])
    ids = [row.query_id for row in rows]
    named, given = queries.identities(conn, ids), queries.load(conn, ids)
    dead_letters.bury(
        conn,
        [
            {
                "id": row.id,
                "run_id": row.run_id,
                "external_id": row.external_id,
                "content": row.content,
                "payload": _payload(row, given.get(row.id)),
                "reason": reason,
            }
            for row in named
        ],
    )
    queries.close(conn, {row.id: "dead_lettered" for row in named})
    _return_unspent(conn, rows)


def _payload(row: Row[Any], query: Query | None) -> str:
    """The query as it came; what can still be told of one that cannot be read back."""
    if query is not None:
        return Arrival(row.id, row.run_id, query).to_json()
    return json.dumps({"id": str(row.id), "run_id": str(row.run_id), "external_id": row.external_id})


def _return_unspent(conn: Connection, rows: Sequence[Row[Any]]) -> None:
    drawn: Counter[Any] = Counter()
    for (allocation_id, _), count in samples.count_by_attempt(conn, [row.id for row in rows]).items():
        drawn[allocation_id] += count
    return_samples(conn, {row.query_id: row.budget - drawn[row.id] for row in rows})
