"""The sampler's side of the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from adaqueue.adapters.ledger.claims import PostgresClaims
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import allocations, attempts, samples
from adaqueue.core.records import Claim, Sample
from adaqueue.core.specs import Sampling


class PostgresSamplingLedger(PostgresClaims):
    """Claims allocations to be drawn, and commits what is drawn.

    Args:
        database: the ledger's Postgres.
        worker_id: says who this sampler is now, as it is known in `workers`.
        decoder: name of the model that draws.
        most_failures: an allocation that failed as often is buried.
    """

    def __init__(
        self, database: Database, worker_id: Callable[[], UUID], *, decoder: str, most_failures: int
    ) -> None:
        super().__init__(database, worker_id, stage="draw", most_failures=most_failures)
        self._decoder = decoder

    def record(
        self,
        claims: Sequence[Claim],
        sampling: Sampling,
        drawn: Sequence[Sample],
        complete: Sequence[Claim] = (),
    ) -> set[UUID]:
        """Commits one engine response, see `SamplingLedger`."""
        by_query = {claim.query_id: claim for claim in claims}
        fingerprint = sampling.fingerprint()
        with self._database.begin() as conn:
            held = self._held(conn, claims)
            rows, late = [], []
            for sample in drawn:
                claim = by_query[sample.query_id]
                if claim.allocation_id in held:
                    rows.append(self._row(claim, fingerprint, sample))
                else:
                    late.append((claim, sample))
            if rows:
                samples.insert_new(conn, rows)
            _waste(conn, late)
            _pass_on(conn, [claim for claim in complete if claim.allocation_id in held])
        return held

    def _row(self, claim: Claim, fingerprint: str, sample: Sample) -> dict[str, Any]:
        return {
            "query_id": sample.query_id,
            "number": sample.number,
            "allocation_id": claim.allocation_id,
            "attempt": claim.attempt,
            "decoder": self._decoder,
            "sampling_fingerprint": fingerprint,
            "seed": sample.seed,
            "text": sample.text,
            "tokens_in": sample.tokens_in,
            "tokens_out": sample.tokens_out,
            "finish_reason": sample.finish_reason,
            "seconds": sample.seconds,
        }


def _pass_on(conn: Connection, complete: Sequence[Claim]) -> None:
    """Leaves what is drawn to the verifiers."""
    if complete:
        tries = {claim.allocation_id: claim.attempt for claim in complete}
        allocations.to_verify(conn, list(tries))
        attempts.end(conn, tries, "finished")


def _waste(conn: Connection, lost: Sequence[tuple[Claim, Sample]]) -> None:
    """Books samples that came too late: another attempt holds their allocation."""
    by_claim: dict[tuple[UUID, int], list[Sample]] = defaultdict(list)
    for claim, sample in lost:
        by_claim[claim.allocation_id, claim.attempt].append(sample)
    for (allocation_id, attempt), group in by_claim.items():
        tokens = sum(sample.tokens_out or 0 for sample in group)
        attempts.waste(conn, allocation_id, attempt, len(group), tokens)
