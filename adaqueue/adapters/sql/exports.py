"""SQL of what has ended, page by page, as it is exported; reads many tables and writes none."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

RUNS = text(
    """
    SELECT id, name, decoder, policy FROM runs
    WHERE (cast(:given AS text) IS NULL AND purpose = 'serving') OR name = :given OR cast(id AS text) = :given
    ORDER BY created_at DESC, id DESC
    LIMIT :most
    """
)

ENDED = text(
    """
    SELECT q.id, EXISTS (
             SELECT FROM allocations a WHERE a.query_id = q.id AND a.policy = :exploration) AS explored
    FROM queries q
    WHERE q.run_id = :run_id AND q.id > :after AND q.outcome IN ('answered', 'abstained', 'expired')
      AND (cast(:domain AS text) IS NULL OR q.domain = :domain)
    ORDER BY q.id
    LIMIT :most
    """
)

LEFT = text(
    """
    SELECT coalesce(outcome, 'not ended') AS reason, count(*) AS queries FROM queries
    WHERE run_id = :run_id AND (cast(:domain AS text) IS NULL OR domain = :domain)
      AND (outcome IS NULL OR outcome NOT IN ('answered', 'abstained', 'expired'))
    GROUP BY 1
    """
)


def runs(conn: Connection, given: str | None, most: int | None) -> list[Row[Any]]:
    """Returns (id, name, decoder, policy) of runs, the newest first.

    Args:
        conn: connection.
        given: name or id; None: every run that served, none that measured the system.
        most: runs at most; None: all.
    """
    return list(conn.execute(RUNS, {"given": given, "most": most}))


def ended(
    conn: Connection, run_id: UUID, domain: str | None, after: UUID, most: int, exploration: str
) -> list[Row[Any]]:
    """Returns (id, explored) of the next queries that ended with or without an answer, by id.

    Args:
        conn: connection.
        run_id: their run.
        domain: theirs; None: any.
        after: id of the last one before.
        most: queries at most.
        exploration: policy of an explored query's allocation.
    """
    given = {"run_id": run_id, "domain": domain, "after": after, "most": most, "exploration": exploration}
    return list(conn.execute(ENDED, given))


def left_out(conn: Connection, run_id: UUID, domain: str | None) -> dict[str, int]:
    """Returns how many queries of a run `ended` passes over, by outcome."""
    rows = conn.execute(LEFT, {"run_id": run_id, "domain": domain})
    return {row.reason: row.queries for row in rows}
