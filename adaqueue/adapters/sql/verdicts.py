"""SQL of the table `verdicts`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, text

from adaqueue.adapters.sql.bulk import among, insert_rows
from adaqueue.adapters.work_tables import VerdictRow
from adaqueue.core.records import Verdict
from adaqueue.core.specs import Sampling

TABLE = VerdictRow.__table__
NOT_VERIFIED = "not_verified"
COLUMNS = tuple(field.name for field in fields(Verdict))


CHAT_REWARDS = text(
    """
    SELECT array_agg(v.reward) AS rewards
    FROM (SELECT id FROM queries
          WHERE run_id = :run_id AND tenant = :tenant AND domain = 'chat'
                AND EXISTS (SELECT FROM verdicts WHERE query_id = id AND reward IS NOT NULL)
          ORDER BY id DESC LIMIT :most) q
    JOIN verdicts v ON v.query_id = q.id AND v.reward IS NOT NULL
    GROUP BY q.id
    """
)


NEWEST_COUNTS = text(
    """
    SELECT count(*) FILTER (WHERE v.reward > 0) AS successes, count(*) AS samples
    FROM (SELECT q.id FROM runs r
          CROSS JOIN LATERAL (
            SELECT id FROM queries WHERE run_id = r.id AND domain = :domain
                   AND EXISTS (SELECT FROM verdicts WHERE query_id = id)
                   AND NOT EXISTS (SELECT FROM verdicts WHERE query_id = id AND verifier = 'consensus')
            ORDER BY id DESC LIMIT :most) q
          WHERE r.decoder = :decoder AND r.engine <> 'replay' AND r.purpose = 'serving'
          ORDER BY q.id DESC LIMIT :most) q
    JOIN samples s ON s.query_id = q.id AND s.sampling_fingerprint = :sampling
    JOIN verdicts v ON v.query_id = s.query_id AND v.number = s.number AND v.reward IS NOT NULL
    GROUP BY q.id
    """
)


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


def best_and_mean(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[float, float]]:
    """Returns the best and the mean reward of each of the queries that has any."""
    statement = (
        select(
            TABLE.c.query_id, func.max(TABLE.c.reward).label("best"), func.avg(TABLE.c.reward).label("mean")
        )
        .where(among(TABLE.c.query_id, ids), TABLE.c.reward.is_not(None))
        .group_by(TABLE.c.query_id)
    )
    return {row.query_id: (float(row.best), float(row.mean)) for row in conn.execute(statement)}


def chat_rewards(conn: Connection, run_id: UUID, tenant: str, most: int) -> list[list[float]]:
    """Returns the rewards of the newest chat queries of an account that have any, a list for each query."""
    rows = conn.execute(CHAT_REWARDS, {"run_id": run_id, "tenant": tenant, "most": most})
    return [list(row.rewards) for row in rows]


def newest_counts(conn: Connection, sampling: Sampling, domain: str, most: int) -> list[tuple[int, int]]:
    """Returns (successes, samples) of the newest queries that were drawn from a decoder in this way.

    Newest is by arrival, and those that still draw count too: only what succeeds ends at once.
    """
    given = {"decoder": sampling.model, "sampling": sampling.fingerprint()}
    rows = conn.execute(NEWEST_COUNTS, {**given, "domain": domain, "most": most})
    return [(row.successes, row.samples) for row in rows]
