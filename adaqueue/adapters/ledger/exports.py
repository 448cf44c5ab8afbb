"""The ledger's outcomes as others may use them, read page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import exports, queries, samples, verdicts
from adaqueue.core.exploration import EXPLORATION
from adaqueue.core.exported import DrawnQuery
from adaqueue.core.recording import RecordedSample
from adaqueue.core.records import Sample, Verdict
from adaqueue.core.sequential import HAZARDS
from adaqueue.errors import SettingsError

PAGE = 50
FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class RunOutcomes:
    """A run whose outcomes are exported.

    Attributes:
        id: internal key.
        name: given by its producer.
        model: who drew.
        stops: whether its policy ends a query at its first success.
    """

    id: UUID
    name: str
    model: str
    stops: bool


class PostgresExports:
    """Reads outcomes for export.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def runs(self, given: str | None, *, newest: bool) -> list[RunOutcomes]:
        """Returns the runs that are meant, the newest first.

        Args:
            given: name or id; None: all that served: what an evaluation drew is exported by name alone.
            newest: the newest of them alone.

        Raises:
            SettingsError: there is none.
        """
        with self._database.begin() as conn:
            found = exports.runs(conn, given, 1 if newest else None)
        if not found:
            raise SettingsError(
                f"run: {given!r}: the ledger has none" if given else "run: the ledger has none that served"
            )
        return [RunOutcomes(row.id, row.name, row.decoder, row.policy in HAZARDS) for row in found]

    def left_out(self, run: RunOutcomes, domain: str | None) -> Counter[str]:
        """Returns how many queries are not exported, by what became of them."""
        with self._database.begin() as conn:
            return Counter(exports.left_out(conn, run.id, domain))

    def drawn(self, run: RunOutcomes, domain: str | None) -> Iterator[DrawnQuery]:
        """Yields the queries that ended and drew something, by arrival; one page is held at a time."""
        after = FIRST
        while page := self._page(run, domain, after):
            yield from (query for _, query in page if query is not None and _has_samples(query))
            after = page[-1][0]

    def _page(
        self, run: RunOutcomes, domain: str | None, after: UUID
    ) -> list[tuple[UUID, DrawnQuery | None]]:
        with self._database.begin() as conn:
            rows = exports.ended(conn, run.id, domain, after, PAGE, EXPLORATION)
            ids = [row.id for row in rows]
            given, drawn, said = (
                queries.load(conn, ids),
                samples.of_queries(conn, ids),
                verdicts.of_queries(conn, ids),
            )
        found: list[tuple[UUID, DrawnQuery | None]] = []
        for row in rows:
            verified = _verified(drawn.get(row.id, ()), said.get(row.id, ()))
            missing = len(drawn.get(row.id, ())) - len(verified)
            query = given.get(row.id)
            stopped = run.stops and not row.explored
            known = None if query is None else DrawnQuery(query, run.model, verified, missing, stopped)
            found.append((row.id, known))
        return found


def _has_samples(query: DrawnQuery) -> bool:
    return bool(query.samples or query.unverified)


def _verified(drawn: Sequence[Sample], said: Sequence[Verdict]) -> tuple[RecordedSample, ...]:
    rewards = {verdict.number: verdict.reward for verdict in said if verdict.reward is not None}
    return tuple(
        RecordedSample(sample.text, rewards[sample.number], sample.tokens_out)
        for sample in drawn
        if sample.number in rewards
    )
