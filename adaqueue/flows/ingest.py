"""Step 2 of a query's life: commit it to the ledger, then acknowledge it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from adaqueue.core.records import Arrival, Entry, Refusal
from adaqueue.errors import AdaQueueError, LedgerRefusedError, UnavailableError
from adaqueue.ports import Doorbell, Inbox, IngestLedger

log = logging.getLogger(__name__)

BATCH = 500
WAIT_SECONDS = 1.0
MOST_DELIVERIES = 5
FEATURES_QUEUE = "features"


def ingest_once(inbox: Inbox, ledger: IngestLedger, doorbell: Doorbell) -> int:
    """Moves one batch from the inbox into the ledger and returns how many entries it was.

    What cannot become a query is kept as a dead letter and blocks nobody.

    Raises:
        UnavailableError: a server is out of reach; unacknowledged entries are delivered again.
    """
    entries = inbox.take(BATCH, WAIT_SECONDS)
    if not entries:
        return 0
    arrivals, refused = read(entries)
    waiting, more = insert_or_bisect(ledger, arrivals)
    refused += more
    if refused:
        log.warning("%d dead letters, the first: %s", len(refused), refused[0].reason)
        ledger.bury(refused)
    inbox.acknowledge(entries)
    ring(doorbell, FEATURES_QUEUE, waiting)
    return len(entries)


def read(entries: Sequence[Entry]) -> tuple[list[Arrival], list[Refusal]]:
    """Returns the arrivals that entries hold; refuses what holds none or was delivered too often."""
    arrivals: list[Arrival] = []
    refused: list[Refusal] = []
    for entry in entries:
        if entry.deliveries > MOST_DELIVERIES:
            refused.append(Refusal(entry.payload, f"delivered {entry.deliveries} times without success"))
            continue
        try:
            arrivals.append(Arrival.from_json(entry.payload))
        except (ValueError, KeyError, TypeError, AttributeError, AdaQueueError) as error:
            refused.append(Refusal(entry.payload, f"cannot be read: {type(error).__name__}: {error}"))
    return arrivals, refused


def insert_or_bisect(ledger: IngestLedger, arrivals: Sequence[Arrival]) -> tuple[list[UUID], list[Refusal]]:
    """Commits arrivals; where Postgres refuses a batch, halves it until the bad rows stand alone."""
    if not arrivals:
        return [], []
    try:
        return ledger.insert(arrivals)
    except LedgerRefusedError as error:
        if len(arrivals) == 1:
            return [], [Refusal(arrivals[0].to_json(), str(error), arrivals[0])]
    middle = len(arrivals) // 2
    waiting, refused = insert_or_bisect(ledger, arrivals[:middle])
    more_waiting, more_refused = insert_or_bisect(ledger, arrivals[middle:])
    return waiting + more_waiting, refused + more_refused


def ring(doorbell: Doorbell, queue: str, ids: Sequence[UUID], *, alone: bool = False) -> None:
    """Rings; a bell that nobody hears is left to the reaper, which rings again."""
    if not ids:
        return
    try:
        doorbell.ring(queue, ids, alone=alone)
    except UnavailableError as error:
        log.warning("doorbell %s for %d ids was not heard: %s", queue, len(ids), error)
