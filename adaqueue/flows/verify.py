"""Step 6 of a query's life: verify what was drawn, rerank, answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from adaqueue.core.records import not_verified
from adaqueue.core.trust import Rates
from adaqueue.errors import VerifierError
from adaqueue.flows.audit import Auditor
from adaqueue.flows.progress import Progress
from adaqueue.ports import Verifier, VerifyingLedger

log = logging.getLogger(__name__)


def verify(
    ids: Sequence[UUID],
    ledger: VerifyingLedger,
    verifier: Verifier,
    auditor: Auditor,
    rates: Mapping[str, Rates],
) -> int:
    """Works drawn allocations off, from claim to answer; returns how many queries were answered for good.

    Under a sequential policy a query without a success goes back to the scheduler, unless it may draw no
    more. A query whose verifier broke is verified again, by whoever takes it up, and never answered as wrong.

    Args:
        ids: allocations, as the doorbell said them.
        ledger: holds them.
        verifier: of all domains.
        auditor: checks some verdicts again, once they are committed.
        rates: how often sources of verdicts err, as audits have shown.
    """
    taken = [Progress(claim, rates) for claim in ledger.claim(ids)]
    owed = [(progress, sample) for progress in taken for sample in progress.owed]
    pairs = [(progress.claim.query, sample) for progress, sample in owed]
    try:
        verdicts = verifier.verify(pairs) if pairs else []
    except VerifierError as error:
        verdicts = [not_verified(sample, str(error)) for _, sample in owed]
    for (progress, _), verdict in zip(owed, verdicts, strict=True):
        progress.settle(verdict)
    broken = [progress for progress in taken if progress.broken and not progress.is_solved]
    for progress in broken:
        log.error("verifier broke on query %s: %s", progress.claim.query_id, progress.broken)
        ledger.fail([progress.claim], f"not verified: {progress.broken}", progress.new_verdicts)
    ended = _close([progress for progress in taken if progress not in broken], ledger)
    audits = auditor.audits([(p.claim.query, p.samples[v.number], v) for p in taken for v in p.new_verdicts])
    if audits:
        ledger.audit(audits)
    return ended


def _close(sound: Sequence[Progress], ledger: VerifyingLedger) -> int:
    closings = [progress.closing() for progress in sound]
    if closings:
        ledger.finish(closings, [verdict for progress in sound for verdict in progress.new_verdicts])
    return sum(closing.ends for closing in closings)
