"""SQL of what became of queries, as probes are trained on it; reads many tables and writes none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, case, func, select, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from adaqueue.adapters.sql.bulk import among
from adaqueue.adapters.work_tables import VerdictRow
from adaqueue.core.logged import Scope
from adaqueue.core.trust import JUDGE

# by arrival, whatever has become of them: who has ended depends on the outcomes, as a success ends its query
# at once; one that still draws counts with what it drew; a dead letter says nothing of its query's chances
ARRIVED = text(
    """
    WITH chosen AS (
      SELECT q.* FROM runs
      CROSS JOIN LATERAL (
        SELECT id, run_id, prompt, created_at, domain, min_budget, max_budget, recorded_samples
        FROM queries
        WHERE run_id = runs.id AND domain = :domain AND created_at >= :since
          AND (state IN ('open', 'sampling') OR outcome IN ('answered', 'abstained', 'expired'))
        ORDER BY id DESC
        LIMIT :most
      ) q
      WHERE runs.decoder = :decoder AND runs.engine <> 'replay' AND runs.purpose = 'serving'
      ORDER BY q.id DESC
      LIMIT :most
    )
    SELECT q.*, f.vector, granted.budget, said.*, probes.features_fingerprint AS reads, drawn.*
    FROM chosen q
    JOIN runs r ON r.id = q.run_id
    LEFT JOIN features f ON f.query_id = q.id AND f.fingerprint = :features
    LEFT JOIN predictions p ON p.query_id = q.id
    LEFT JOIN LATERAL (
      SELECT coalesce(sum(budget), 0) AS budget FROM allocations WHERE query_id = q.id
    ) granted ON true
    LEFT JOIN LATERAL (
      SELECT * FROM allocations WHERE query_id = q.id ORDER BY first_sample LIMIT 1
    ) decided ON true
    CROSS JOIN LATERAL (
      SELECT coalesce(p.window_id, decided.window_id) AS window_id, coalesce(p.probe, decided.probe) AS probe,
             coalesce(p.alpha, decided.alpha) AS alpha, coalesce(p.beta, decided.beta) AS beta,
             coalesce(p.zero, 0) AS zero, p.tokens AS believed_tokens,
             coalesce(decided.policy, r.policy) AS policy, coalesce(decided.propensity, 1) AS propensity
    ) said
    LEFT JOIN probes ON probes.name = said.probe
    LEFT JOIN LATERAL (
      SELECT array_agg(v.reward ORDER BY s.number) FILTER (WHERE v.reward IS NOT NULL) AS rewards,
             avg(s.tokens_out)::float8 AS tokens,
             bool_and(s.sampling_fingerprint = :sampling) AS is_of_sampling,
             bool_or(v.verifier = 'consensus') AS has_voted
      FROM samples s LEFT JOIN verdicts v ON v.query_id = s.query_id AND v.number = s.number
      WHERE s.query_id = q.id
    ) drawn ON true
    ORDER BY q.id
    """
).columns(created_at=TIMESTAMP(timezone=True))


def arrived(conn: Connection, scope: Scope) -> list[Row[Any]]:
    """Returns the newest queries that were decided on, oldest first, with decisions, rewards and vectors."""
    given = {
        "decoder": scope.decoder,
        "domain": scope.domain,
        "sampling": scope.sampling,
        "features": scope.features,
        "most": scope.most,
        "since": scope.since or "-infinity",
    }
    return list(conn.execute(ARRIVED, given))


def verifiers(conn: Connection, query_ids: Sequence[UUID]) -> list[Row[Any]]:
    """Returns (source, version, samples) of what gave the queries' samples their rewards."""
    told = func.concat(VerdictRow.verifier, ":", VerdictRow.route)
    source = case((told == JUDGE, JUDGE), else_=VerdictRow.verifier).label("source")
    statement = (
        select(source, VerdictRow.version, func.count().label("samples"))
        .where(among(VerdictRow.query_id, query_ids), VerdictRow.reward.is_not(None))
        .group_by(source, VerdictRow.version)
        .order_by(source, VerdictRow.version)
    )
    return list(conn.execute(statement))
