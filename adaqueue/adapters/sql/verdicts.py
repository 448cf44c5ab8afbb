"""SQL of the table `verdicts`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from uuid import UUID

from sqlalchemy import Connection, delete, select

from adaqueue.adapters.sql.bulk import among, insert_rows
from adaqueue.adapters.tables import VerdictRow
from adaqueue.core.records import Verdict

TABLE = VerdictRow.__table__
NOT_VERIFIED = "not_verified"
COLUMNS = tuple(field.name for field in fields(Verdict))


def store(conn: Connection, verdicts: Sequence[Verdict]) -> None:
    """Stores all verdicts of some queries; the first stays, unless it only said that the verifier broke."""
    if not verdicts:
        return
    ids = list({verdict.query_id for verdict in verdicts})
    conn.execute(delete(VerdictRow).where(among(TABLE.c.query_id, ids), TABLE.c.verdict == NOT_VERIFIED))
    rows = [{name: getattr(verdict, name) for name in COLUMNS} for verdict in verdicts]
    conn.execute(insert_rows(VerdictRow, rows).on_conflict_do_nothing())


def of_queries(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Verdict]]:
    """Returns the settled verdicts of the queries' samples; `not_verified` is none."""
    statement = select(TABLE).where(among(TABLE.c.query_id, ids), TABLE.c.verdict != NOT_VERIFIED)
    found: dict[UUID, list[Verdict]] = defaultdict(list)
    for row in conn.execute(statement).mappings():
        found[row["query_id"]].append(Verdict(**{name: row[name] for name in COLUMNS}))
    return found
