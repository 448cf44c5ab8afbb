"""What the ledger must say of a run when nothing was lost, doubled, or drawn twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from adaqueue import Answer, Query
from tests.e2e.live import System


def check_books(system: System, run_id: UUID, asked: Sequence[Query], answers: Sequence[Answer]) -> None:
    """Checks answers against what was asked, and every table of the ledger against every other."""
    check_answers(asked, answers)
    check_ledger(system, run_id, asked)


def check_ledger(system: System, run_id: UUID, asked: Sequence[Query]) -> None:
    """Checks every table of the ledger against every other."""
    _check_queries(system, run_id, asked)
    _check_account(system, run_id)
    _check_samples(system, run_id)
    _check_attempts(system, run_id)


def check_answers(asked: Sequence[Query], answers: Sequence[Answer]) -> None:
    """Every query has one answer: the best of the samples that were drawn for it, the first recorded ones."""
    assert sorted(answer.id for answer in answers) == sorted(str(query.id) for query in asked)
    by_id = {query.id: query for query in asked}
    for answer in answers:
        recording = by_id[answer.id].recording
        assert recording is not None
        drawn = [sample.reward for sample in recording.samples[: answer.samples_used]]
        assert answer.samples_used == answer.budget
        assert answer.abstained == (not drawn)
        assert answer.reward == max(drawn, default=None, key=lambda reward: reward or 0.0)
        assert answer.verified == any(drawn)


def _check_queries(system: System, run_id: UUID, asked: Sequence[Query]) -> None:
    rows = system.ask(
        "SELECT q.external_id, q.state, q.outcome, count(a.query_id) "
        "FROM queries q LEFT JOIN answers a ON a.query_id = q.id WHERE q.run_id = %s GROUP BY q.id",
        run_id,
    )
    assert {row[0] for row in rows} == {query.id for query in asked}
    assert {row[1:] for row in rows} <= {("closed", "answered", 1), ("closed", "abstained", 1)}
    assert system.ask("SELECT * FROM dead_letters WHERE run_id = %s", run_id) == []


def _check_account(system: System, run_id: UUID) -> None:
    """What was granted and not returned is what was budgeted, and what was drawn."""
    ((allowed, granted, returned),) = system.ask(
        "SELECT allowed, granted, returned FROM accounts WHERE run_id = %s", run_id
    )
    ((budgets,),) = system.ask(
        "SELECT sum(budget) FROM allocations a JOIN queries q ON q.id = a.query_id WHERE q.run_id = %s",
        run_id,
    )
    ((samples,),) = system.ask(
        "SELECT count(*) FROM samples s JOIN queries q ON q.id = s.query_id WHERE q.run_id = %s", run_id
    )
    assert granted == budgets
    assert granted - returned == samples
    assert granted <= allowed


def _check_samples(system: System, run_id: UUID) -> None:
    """Every allocation is done, with the samples 0 to its budget, each with one verdict."""
    rows = system.ask(
        """
        SELECT a.state, a.budget, array_remove(array_agg(s.number ORDER BY s.number), NULL),
               count(v.number) = count(s.number)
        FROM queries q JOIN allocations a ON a.query_id = q.id
        LEFT JOIN samples s ON s.allocation_id = a.id
        LEFT JOIN verdicts v ON v.query_id = s.query_id AND v.number = s.number
        WHERE q.run_id = %s GROUP BY a.id
        """,
        run_id,
    )
    assert all(state == "done" and verdicts for state, _, _, verdicts in rows)
    assert all(numbers == list(range(budget)) for _, budget, numbers, _ in rows)


def _check_attempts(system: System, run_id: UUID) -> None:
    """Each attempt asked for what those before it had not committed; the last one finished."""
    rows = system.ask(
        """
        SELECT t.allocation_id, a.budget, t.asked_samples, t.outcome,
               (SELECT count(*) FROM samples s WHERE s.allocation_id = a.id AND s.attempt = t.attempt)
        FROM attempts t JOIN allocations a ON a.id = t.allocation_id JOIN queries q ON q.id = a.query_id
        WHERE q.run_id = %s ORDER BY t.allocation_id, t.attempt
        """,
        run_id,
    )
    tries = defaultdict(list)
    for allocation_id, *row in rows:
        tries[allocation_id].append(row)
    for attempts in tries.values():
        left = attempts[0][0]
        for _, asked, _, committed in attempts:
            assert asked == left
            left -= committed
        assert left == 0
        assert [row[2] for row in attempts].index("finished") == len(attempts) - 1
