"""SQL of the table `verdicts`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from adaqueue.adapters.tables import VerdictRow
from adaqueue.core.records import Verdict

TABLE = VerdictRow.__table__
NOT_VERIFIED = "not_verified"


def store(conn: Connection, verdicts: Sequence[Verdict]) -> None:
    """Stores all verdicts of some queries; the first stays, unless it only said that the verifier broke."""
    if not verdicts:
        return
    ids = list({verdict.query_id for verdict in verdicts})
    conn.execute(delete(VerdictRow).where(TABLE.c.query_id.in_(ids), TABLE.c.verdict == NOT_VERIFIED))
    statement = insert(VerdictRow).on_conflict_do_nothing()
    conn.execute(statement, [asdict(verdict) for verdict in verdicts])


def of_queries(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Verdict]]:
    """Returns the settled verdicts of the queries' samples; `not_verified` is none."""
    statement = select(TABLE).where(TABLE.c.query_id.in_(ids), TABLE.c.verdict != NOT_VERIFIED)
    found: dict[UUID, list[Verdict]] = defaultdict(list)
    for row in conn.execute(statement).mappings():
        fields = {name: value for name, value in row.items() if name != "created_at"}
        found[row["query_id"]].append(Verdict(**fields))
    return found
