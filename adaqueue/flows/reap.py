"""Puts right what crashes left behind: work of dead workers, and doorbells that nobody heard."""

from __future__ import annotations

import logging

from adaqueue.flows.ingest import ring
from adaqueue.ports import Doorbell, ReaperLedger

log = logging.getLogger(__name__)


def reap_once(ledger: ReaperLedger, doorbell: Doorbell) -> int:
    """Returns dead workers' allocations, then rings for everything overdue; returns how many ids it rang."""
    returned = ledger.return_orphans()
    if returned:
        log.warning("%d allocations of dead workers are ready again", returned)
    rung = 0
    for (queue, alone), ids in ledger.overdue().items():
        ring(doorbell, queue, ids, alone=alone)
        rung += len(ids)
    return rung
