"""The client's side of the ledger: opening runs, asking for results, and reports about a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, text

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import runs
from adaqueue.core.decisions import Prediction
from adaqueue.core.recording import RecordedSample
from adaqueue.core.records import Answer, Drawn, Result
from adaqueue.core.specs import Run

CLOSED = text(
    """
    SELECT q.external_id, q.content, q.outcome, NULL AS reason, a.text, a.reward, a.verified, a.budget,
           a.samples_used, a.abstained
    FROM queries q LEFT JOIN answers a ON a.query_id = q.id
    WHERE q.run_id = :run_id AND q.external_id = ANY(:ids) AND q.state = 'closed'
      AND q.outcome <> 'dead_lettered'
    UNION ALL
    SELECT external_id, content, 'dead_lettered', reason, NULL, NULL, NULL, NULL, NULL, NULL
    FROM dead_letters
    WHERE run_id = :run_id AND external_id = ANY(:ids) AND replayed_at IS NULL
    """
)

COUNTS = text(
    """
    SELECT
      (SELECT count(*) FROM queries WHERE run_id = :run_id) AS queries,
      (SELECT count(*) FROM queries WHERE run_id = :run_id AND outcome = 'answered') AS answered,
      (SELECT count(*) FROM queries WHERE run_id = :run_id AND outcome = 'abstained') AS abstained,
      (SELECT count(*) FROM allocations JOIN queries q ON q.id = query_id
         WHERE run_id = :run_id) AS allocations,
      (SELECT coalesce(sum(budget), 0) FROM allocations JOIN queries q ON q.id = query_id
         WHERE run_id = :run_id) AS budget,
      (SELECT count(*) FROM samples JOIN queries q ON q.id = query_id WHERE run_id = :run_id) AS samples,
      (SELECT count(*) FROM verdicts JOIN queries q ON q.id = query_id WHERE run_id = :run_id) AS verdicts,
      (SELECT count(*) FROM answers JOIN queries q ON q.id = query_id
         WHERE run_id = :run_id AND outcome IN ('answered', 'abstained')) AS answers,
      (SELECT coalesce(sum(granted - returned), 0) FROM accounts WHERE run_id = :run_id) AS account,
      (SELECT coalesce(sum(wasted_samples), 0) FROM attempts
         JOIN allocations al ON al.id = allocation_id JOIN queries q ON q.id = al.query_id
         WHERE run_id = :run_id) AS wasted_samples
    """
)

DRAWN = text(
    """
    SELECT q.external_id, min(al.alpha) AS alpha, min(al.beta) AS beta, min(al.probe) AS probe,
           min(p.curve_a) AS a, min(p.curve_b) AS b, min(p.curve_c) AS c, sum(al.budget) AS budget,
           ARRAY(SELECT v.reward FROM verdicts v WHERE v.query_id = q.id AND v.reward IS NOT NULL
                 ORDER BY v.number) AS rewards
    FROM queries q
    JOIN allocations al ON al.query_id = q.id
    LEFT JOIN predictions p ON p.query_id = q.id
    WHERE q.run_id = :run_id
    GROUP BY q.id
    ORDER BY q.external_id
    """
)

RESPONSES = text(
    """
    SELECT q.external_id, s.text, v.reward, s.tokens_out
    FROM queries q
    JOIN samples s ON s.query_id = q.id
    JOIN verdicts v ON v.query_id = s.query_id AND v.number = s.number
    WHERE q.run_id = :run_id AND v.reward IS NOT NULL
    ORDER BY q.external_id, s.number
    """
)


class PostgresResults:
    """Reads what became of queries.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_run(self, run: Run) -> Run:
        """Returns the open run of that name, created if there is none."""
        with self._database.begin() as conn:
            return runs.open_or_create(conn, run)

    def seal_run(self, run_id: UUID, queries: int) -> None:
        """Notes that a batch gets so many queries and no more."""
        with self._database.begin() as conn:
            runs.seal(conn, run_id, queries)

    def close_run(self, run_id: UUID) -> None:
        """Closes a run, so that its name is free again."""
        with self._database.begin() as conn:
            runs.close(conn, run_id)

    def closed(self, run_id: UUID, ids: Iterable[str]) -> list[Result]:
        """Returns those of the queries that have ended, in one query of the ledger."""
        with self._database.begin() as conn:
            rows = conn.execute(CLOSED, {"run_id": run_id, "ids": list(ids)})
            return [_result(row) for row in rows]

    def counts(self, run_id: UUID) -> dict[str, int]:
        """Returns how many rows of each table belong to a run."""
        with self._database.begin() as conn:
            row = conn.execute(COUNTS.bindparams(bindparam("run_id", run_id))).mappings().one()
        return {name: int(value) for name, value in row.items()}

    def drawn(self, run_id: UUID) -> Sequence[Drawn]:
        """Returns every allocated query of a run with its rewards, by the user's id."""
        with self._database.begin() as conn:
            return [_drawn(row) for row in conn.execute(DRAWN, {"run_id": run_id})]

    def responses(self, run_id: UUID) -> dict[str, list[RecordedSample]]:
        """Returns the samples of a run that have a verdict, in order of their numbers, by the user's id."""
        found: dict[str, list[RecordedSample]] = defaultdict(list)
        with self._database.begin() as conn:
            for row in conn.execute(RESPONSES, {"run_id": run_id}):
                found[row.external_id].append(RecordedSample(row.text, row.reward, row.tokens_out))
        return dict(found)


def _drawn(row: Row[Any]) -> Drawn:
    curve = None if row.a is None else (row.a, row.b, row.c)
    believed = Prediction(row.alpha, row.beta, row.probe, "", curve)
    return Drawn(row.external_id, believed, int(row.budget), tuple(row.rewards))


def _result(row: Row[Any]) -> Result:
    answer = None
    if row.outcome in ("answered", "abstained"):
        answer = Answer(
            id=row.external_id,
            text=row.text,
            reward=row.reward,
            verified=row.verified,
            budget=row.budget,
            samples_used=row.samples_used,
            abstained=row.abstained,
        )
    return Result(row.external_id, bytes(row.content).hex(), row.outcome, answer, row.reason)
