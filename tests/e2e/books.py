"""What the ledger must say of a run when nothing was lost, doubled, or drawn twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from adaqueue import Answer, Query
from adaqueue.core.sequential import HAZARDS
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
    """What was granted and not returned is what was drawn, and within what was allowed.

    A stream that buys sample by sample may be ahead by what one full window allows.
    """
    ((allowed, granted, returned, policy, is_batch, average_budget),) = system.ask(
        "SELECT sum(allowed), sum(granted), sum(returned), policy, is_batch, average_budget "
        "FROM accounts a JOIN runs r ON r.id = a.run_id WHERE a.run_id = %s GROUP BY r.id",
        run_id,
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
    ahead = average_budget * system.window_queries if policy in HAZARDS and not is_batch else 0
    assert samples <= allowed + ahead
    if policy not in HAZARDS:
        assert granted <= allowed


def _check_samples(system: System, run_id: UUID) -> None:
    """Every allocation is done, with its samples, each with one verdict; together they are 0, 1, 2, ...

    Sequential buying ends with a success: nothing is granted after it, and what is left undrawn is returned.
    """
    rows = system.ask(
        """
        SELECT q.id, r.policy, a.state, a.budget, a.first_sample,
               array_remove(array_agg(s.number ORDER BY s.number), NULL),
               count(v.number) = count(s.number), coalesce(bool_or(v.reward > 0), false)
        FROM queries q JOIN runs r ON r.id = q.run_id JOIN allocations a ON a.query_id = q.id
        LEFT JOIN samples s ON s.allocation_id = a.id
        LEFT JOIN verdicts v ON v.query_id = s.query_id AND v.number = s.number
        WHERE q.run_id = %s GROUP BY q.id, r.policy, a.id ORDER BY q.id, a.first_sample, a.budget
        """,
        run_id,
    )
    assert all(state == "done" and verdicts for _, _, state, *_, verdicts, _ in rows)
    drawn: dict[UUID, list[int]] = defaultdict(list)
    solved: set[UUID] = set()
    for query_id, policy, _, budget, first, numbers, _, won in rows:
        assert query_id not in solved, "a query that was solved got more samples"
        assert first == len(drawn[query_id])
        drawn[query_id] += numbers
        assert len(numbers) == budget or (policy in HAZARDS and won and len(numbers) < budget)
        if policy in HAZARDS and won:
            solved.add(query_id)
        assert policy in HAZARDS or first == 0
    assert all(numbers == list(range(len(numbers))) for numbers in drawn.values())


def _check_attempts(system: System, run_id: UUID) -> None:
    """Each attempt asked for what those before it had not committed; the last one finished.

    Under sequential buying it may find the query solved by what they had.
    """
    rows = system.ask(
        """
        SELECT t.allocation_id, a.budget, t.asked_samples, t.outcome,
               (SELECT count(*) FROM samples s WHERE s.allocation_id = a.id AND s.attempt = t.attempt)
        FROM attempts t JOIN allocations a ON a.id = t.allocation_id JOIN queries q ON q.id = a.query_id
        WHERE q.run_id = %s ORDER BY t.allocation_id, t.attempt
        """,
        run_id,
    )
    solved = {
        row[0]
        for row in system.ask(
            "SELECT DISTINCT s.allocation_id FROM samples s JOIN queries q ON q.id = s.query_id "
            "JOIN runs r ON r.id = q.run_id "
            "JOIN verdicts v ON v.query_id = s.query_id AND v.number = s.number "
            "WHERE q.run_id = %s AND r.policy = ANY(%s) AND v.reward > 0",
            run_id,
            list(HAZARDS),
        )
    }
    tries = defaultdict(list)
    for allocation_id, *row in rows:
        tries[allocation_id].append(row)
    for allocation_id, attempts in tries.items():
        left = attempts[0][0]
        for _, asked, _, committed in attempts:
            assert asked == left
            left -= committed
        assert left == 0 or allocation_id in solved
        assert [row[2] for row in attempts].index("finished") == len(attempts) - 1
