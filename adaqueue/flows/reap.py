"""Puts right what crashes left behind: work of dead workers, and doorbells that nobody heard."""

from __future__ import annotations

import logging
from collections.abc import Callable

from adaqueue.errors import UnavailableError
from adaqueue.flows.ingest import ring
from adaqueue.ports import Doorbell, ReaperLedger

log = logging.getLogger(__name__)


MOST_WAITING = 64


class Patience:
    """Whether the silence of workers may be held against them.

    After a gap in the reaper's own rounds (an outage of Postgres, a machine that slept) every worker seems
    silent, so they get time to report first.

    Args:
        clock: seconds, never falling.
        seconds: how long a worker may be silent.
    """

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._last = clock()
        self._judges_from = self._last

    def __call__(self) -> bool:
        """Notes a round of the reaper; returns whether it may judge."""
        now = self._clock()
        if now - self._last > 0.6 * self._seconds:
            self._judges_from = now + self._seconds
        self._last = now
        return now >= self._judges_from


def reap_once(ledger: ReaperLedger, doorbell: Doorbell, may_judge: Callable[[], bool] = lambda: True) -> int:
    """Rings for everything overdue and returns dead workers' allocations; returns how many ids it rang.

    Where many rings lie unheard, no more are added: they would pile up for as long as nobody listens.
    """
    due = ledger.overdue()
    returned = ledger.return_orphans() if may_judge() else 0
    if returned:
        log.warning("%d allocations of dead workers are ready again", returned)
    rung = 0
    for (queue, alone), ids in due.items():
        if _waiting(doorbell, queue) < MOST_WAITING:
            ring(doorbell, queue, ids, alone=alone)
            rung += len(ids)
    return rung


def _waiting(doorbell: Doorbell, queue: str) -> int:
    try:
        return doorbell.waiting(queue)
    except UnavailableError as error:
        log.warning("doorbell %s: %s", queue, error)
        return MOST_WAITING
