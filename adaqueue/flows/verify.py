"""Step 6 of a query's life: verify what was drawn, rerank, answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from threading import Event
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
    stopping: Event,
) -> int:
    """Works drawn allocations off, from claim to answer; returns how many queries were answered for good.

    Under a sequential policy a query without a success goes back to the scheduler, unless it may draw no
    more. A query whose verifier broke is verified again, by whoever takes it up, and never answered as wrong;
    where there was nobody to verify it, it is not even charged an attempt. When `stopping` is set, what is
    not begun is handed back.

    Args:
        ids: allocations, as the doorbell said them.
        ledger: holds them.
        verifier: of all domains.
        auditor: checks some verdicts again, once they are committed.
        rates: how often sources of verdicts err, as audits have shown.
        stopping: checked between queries of code, which may take long, and the others, which do not.
    """
    groups = _groups([Progress(claim, rates) for claim in ledger.claim(ids)])
    ended = 0
    for group in groups:
        if stopping.is_set():
            ledger.hand_back([progress.claim for progress in group])
            continue
        _settle(group, verifier)
        ended += _close(group, ledger)
        audits = auditor.audits(
            [(one.claim.query, one.samples[said.number], said) for one in group for said in one.new_verdicts]
        )
        if audits:
            ledger.audit(audits)
    return ended


def _groups(taken: Sequence[Progress]) -> Iterator[list[Progress]]:
    """Yields what is verified together: all that takes a moment; then one query of code after the other."""
    quick = [progress for progress in taken if progress.claim.query.domain != "code"]
    if quick:
        yield quick
    yield from ([progress] for progress in taken if progress.claim.query.domain == "code")


def _settle(group: Sequence[Progress], verifier: Verifier) -> None:
    owed = [(progress, sample) for progress in group for sample in progress.owed]
    pairs = [(progress.claim.query, sample) for progress, sample in owed]
    try:
        verdicts = verifier.verify(pairs) if pairs else []
    except VerifierError as error:
        verdicts = [not_verified(sample, error) for _, sample in owed]
    for (progress, _), verdict in zip(owed, verdicts, strict=True):
        progress.settle(verdict)


def _close(group: Sequence[Progress], ledger: VerifyingLedger) -> int:
    """Commits verdicts and answers; returns how many queries ended."""
    sound = [progress for progress in group if progress.broken is None or progress.is_solved]
    for progress in group:
        if progress not in sound:
            _give_up(progress, ledger)
    closings = [progress.closing() for progress in sound]
    if closings:
        ledger.finish(closings, [verdict for progress in sound for verdict in progress.new_verdicts])
    return sum(closing.ends for closing in closings)


def _give_up(progress: Progress, ledger: VerifyingLedger) -> None:
    log.error("verifier broke on query %s: %s", progress.claim.query_id, progress.broken)
    if progress.is_alone:
        ledger.hand_back([progress.claim])
    else:
        ledger.fail([progress.claim], f"not verified: {progress.broken}", progress.new_verdicts)
