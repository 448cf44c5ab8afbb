"""The trainer's side of the ledger: what became of queries, who decided on them, and where it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Row

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.limits import least_samples, most_samples
from adaqueue.adapters.ledger.verifying import PostgresAudits
from adaqueue.adapters.sql import outcomes, runs
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.exploration import EXPLORATION, EXPLORED, explores
from adaqueue.core.logged import Law, Logged, Provenance, Scope
from adaqueue.core.marginal import BoolArray, FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes, States
from adaqueue.core.query import Message
from adaqueue.core.sequential import HAZARDS
from adaqueue.core.specs import Run

PRIOR = "prior"

Rows = Sequence[Row[Any]]


class PostgresOutcomes:
    """Reads the outcomes that probes are trained and judged on.

    Args:
        database: the ledger's Postgres.
        near_duplicates: says which prompts are nearly the same, by equal numbers, one for each.
    """

    def __init__(self, database: Database, near_duplicates: Callable[[Sequence[str]], IntArray]) -> None:
        self._database = database
        self._near_duplicates = near_duplicates

    def load(self, scope: Scope) -> Logged:
        """Returns the newest queries of the scope that were decided on, by arrival, oldest first.

        Those that still draw count with what they have drawn: to wait for their end would prefer successes.
        Replays are no outcomes of a decoder, and dead letters say nothing: neither is looked at. Samples that
        could not be verified are left out; so are queries without the features, those drawn with
        another sampling, and those that ended before anybody decided on them: the provenance counts them.
        """
        with self._database.begin() as conn:
            found = outcomes.arrived(conn, scope)
            reasons = [_left_out(row, scope) for row in found]
            rows = [row for row, reason in zip(found, reasons, strict=True) if not reason]
            run_of = runs.by_id(conn, {row.run_id for row in rows})
            verifiers = outcomes.verifiers(conn, [row.id for row in rows])
        windows = _codes([row.window_id for row in rows])
        said = Beliefs(*(_floats(rows, name) for name in ("alpha", "beta", "zero", "believed_tokens")))
        return Logged(
            outcomes=self._outcomes(rows, run_of, has_states=scope.features is not None),
            windows=windows,
            probes=tuple(row.probe for row in rows),
            reads=tuple(_reads(row, run_of[row.run_id]) for row in rows),
            beliefs=said,
            budgets=np.array([row.budget for row in rows], dtype=np.int64),
            explorable=_explorable(rows, run_of),
            explored=np.array([_is_explored(row) for row in rows], dtype=np.bool_),
            propensities=_floats(rows, "propensity"),
            law=_law(rows, run_of),
            provenance=self._provenance(rows, verifiers, Counter(filter(None, reasons))),
        )

    def _outcomes(self, rows: Rows, run_of: Mapping[UUID, Run], *, has_states: bool) -> Outcomes:
        messages = tuple(_messages(row.prompt) for row in rows)
        stops = [run_of[row.run_id].policy in HAZARDS and not _is_explored(row) for row in rows]
        given = Outcomes(
            ids=tuple(str(row.id) for row in rows),
            messages=messages,
            states=_states(rows) if has_states else None,
            rewards=tuple(tuple(row.rewards or ()) for row in rows),
            stopped=np.array(stops, dtype=np.bool_),
            groups=np.arange(len(rows)),
            tokens=_floats(rows, "tokens"),
        )
        return replace(given, groups=self._near_duplicates(given.prompts)) if rows else given

    def _provenance(self, rows: Rows, verifiers: Rows, left_out: Counter[str]) -> Provenance:
        sources = {row.source for row in verifiers}
        rates = PostgresAudits(self._database).rates()
        return Provenance(
            queries=len(rows),
            first=rows[0].created_at.isoformat() if rows else None,
            last=rows[-1].created_at.isoformat() if rows else None,
            runs=tuple(sorted({str(row.run_id) for row in rows})),
            policies=dict(Counter(row.policy for row in rows)),
            probes=dict(Counter(row.probe for row in rows)),
            verifiers={f"{row.source} {row.version}".strip(): row.samples for row in verifiers},
            error_rates={
                f"{one} by {other}": asdict(rates[one, other]) for one, other in rates if one in sources
            },
            left_out=dict(left_out),
        )


def _left_out(row: Row[Any], scope: Scope) -> str:
    """Returns why a query cannot be learnt from; empty if it can."""
    if row.probe is None:
        return "ended before its window"
    if row.has_voted:
        return "voted, as they have no reference"
    if row.is_of_sampling is False:
        return "drawn with another sampling"
    if scope.features is not None and row.vector is None:
        return "without these features"
    return ""


def _is_explored(row: Row[Any]) -> bool:
    return bool(row.policy == EXPLORATION)


def _explorable(rows: Rows, run_of: Mapping[UUID, Run]) -> BoolArray:
    may = [row.domain != "chat" and row.max_budget != 0 and explores(run_of[row.run_id]) for row in rows]
    return np.array(may, dtype=np.bool_)


def _reads(row: Row[Any], run: Run) -> str | None:
    if row.probe == PRIOR or run.policy not in EXPLORED:
        return None
    return row.reads or f"those of {row.probe}, which is no longer registered"


def _law(rows: Rows, run_of: Mapping[UUID, Run]) -> Law:
    return Law(
        np.array([run_of[row.run_id].average_budget for row in rows], dtype=np.float64),
        np.array([least_samples(run_of[row.run_id], row) for row in rows], dtype=np.int64),
        np.array([most_samples(run_of[row.run_id], row) for row in rows], dtype=np.int64),
    )


def _messages(prompt: Any) -> tuple[Message, ...]:
    return ({"role": "user", "content": prompt},) if isinstance(prompt, str) else tuple(prompt)


def _states(rows: Rows) -> States:
    vectors = [np.frombuffer(row.vector, dtype=np.float32) for row in rows]
    return np.stack(vectors) if vectors else np.empty((0, 0), dtype=np.float32)


def _floats(rows: Rows, name: str) -> FloatArray:
    """A column, NaN where it is null."""
    return np.array([row._mapping[name] for row in rows], dtype=np.float64)


def _codes(values: Sequence[Any]) -> IntArray:
    """Numbers them, in order of their first appearance."""
    first: dict[Any, int] = {}
    return np.array([first.setdefault(value, len(first)) for value in values], dtype=np.int64)
