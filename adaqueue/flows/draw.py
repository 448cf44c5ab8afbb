"""Step 5 of a query's life: draw samples and commit them, for the verifiers to judge."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Event
from uuid import UUID

from adaqueue.core.records import Claim, Sample, Unit
from adaqueue.errors import EngineError
from adaqueue.flows.ingest import ring
from adaqueue.flows.progress import Progress
from adaqueue.ports import Doorbell, Engine, SamplingLedger

log = logging.getLogger(__name__)

VERIFY_QUEUE = "verify"


def draw(
    ids: Sequence[UUID], ledger: SamplingLedger, engine: Engine, doorbell: Doorbell, stopping: Event
) -> int:
    """Works allocations off, from claim to the last sample; returns how many were drawn in full.

    Each engine response is committed before anything is made of it, so that whoever takes over draws
    nothing twice. An allocation goes to the verifiers with its last sample; one whose samples all came with
    their rewards is closed here. When `stopping` is set, what is unfinished after the response at hand is
    handed back.

    Raises:
        EngineError: the engine can draw nothing at all; whoever asked for samples is charged one attempt, as
            one of them may be what made it sick.
    """
    desk = _Desk(ledger, engine, doorbell, ledger.claim(ids))
    units = desk.units()
    try:
        desk.take_in([])
        for samples in engine.draw(units) if units else ():
            desk.take_in(samples)
            if stopping.is_set():
                break
    except EngineError as error:
        log.error("engine %s broke: %s", engine.decoder, error)
        ledger.fail(desk.open_claims, str(error), [])
        if not engine.works():
            raise
        return desk.drawn
    if desk.open_claims and stopping.is_set():
        ledger.hand_back(desk.open_claims)
    elif desk.open_claims:
        ledger.fail(desk.open_claims, "the engine left samples undrawn", [])
    return desk.drawn


class _Desk:
    """A batch of claims on its way through the engine."""

    def __init__(
        self, ledger: SamplingLedger, engine: Engine, doorbell: Doorbell, claims: Sequence[Claim]
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self._doorbell = doorbell
        self._claims = claims
        self._open = {claim.query_id: Progress(claim, {}) for claim in claims}
        self.drawn = 0

    @property
    def open_claims(self) -> list[Claim]:
        """Claims that are not drawn in full."""
        return [progress.claim for progress in self._open.values()]

    def units(self) -> list[Unit]:
        """Returns the samples to be drawn."""
        return [unit for claim in self.open_claims for unit in claim.units()]

    def take_in(self, samples: Sequence[Sample]) -> None:
        """Commits a response, and passes on what is drawn in full with it."""
        for sample in samples:
            if sample.query_id in self._open:
                self._open[sample.query_id].add(sample)
        complete = [progress for progress in self._open.values() if progress.is_drawn]
        to_close = [progress for progress in complete if progress.is_settled]
        to_verify = [progress.claim for progress in complete if not progress.is_settled]
        if samples or to_verify:
            held = self._ledger.record(self._claims, self._engine.sampling, samples, to_verify)
            self._drop_lost(held)
            for gives_way in (False, True):
                waiting = [c.allocation_id for c in to_verify if c.gives_way is gives_way]
                kept = [key for key in waiting if key in held]
                ring(self._doorbell, VERIFY_QUEUE, kept, gives_way=gives_way)
        self._close([progress for progress in to_close if progress.claim.query_id in self._open])
        for progress in complete:
            self.drawn += self._open.pop(progress.claim.query_id, None) is not None

    def _drop_lost(self, held: set[UUID]) -> None:
        for query_id, progress in list(self._open.items()):
            if progress.claim.allocation_id not in held:
                log.warning("allocation %s was taken over by another attempt", progress.claim.allocation_id)
                del self._open[query_id]

    def _close(self, settled: Sequence[Progress]) -> None:
        if settled:
            verdicts = [verdict for progress in settled for verdict in progress.new_verdicts]
            self._ledger.finish([progress.closing() for progress in settled], verdicts)
