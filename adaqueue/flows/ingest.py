"""Step 2 of a query's life: commit it to the ledger, then acknowledge it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from adaqueue.core.arrivals import Arrival, Entry, Refusal
from adaqueue.errors import AdaQueueError, LedgerRefusedError, UnavailableError
from adaqueue.ports import Doorbell, Inbox, IngestLedger

log = logging.getLogger(__name__)

BATCH = 500
WAIT_SECONDS = 1.0
MOST_DELIVERIES = 5
FEATURES_QUEUE = "features"
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, AdaQueueError)


def ingest_once(inbox: Inbox, ledger: IngestLedger, doorbell: Doorbell) -> int:
    """Moves one batch from the inbox into the ledger and returns how many entries it was.

    What cannot become a query is kept as a dead letter and blocks nobody.

    Raises:
        UnavailableError: a server is out of reach; entries are delivered again, however long that lasts.
    """
    entries = inbox.take(BATCH, WAIT_SECONDS)
    if not entries:
        return 0
    try:
        waiting = commit(entries, ledger)
    except UnavailableError:
        inbox.hand_back(entries)
        raise
    inbox.acknowledge(entries)
    for gives_way in (False, True):
        keys = [key for key, is_last in waiting.items() if is_last is gives_way]
        ring(doorbell, FEATURES_QUEUE, keys, gives_way=gives_way)
    return len(entries)


def commit(entries: Sequence[Entry], ledger: IngestLedger) -> dict[UUID, bool]:
    """Commits what entries hold, as queries or dead letters; returns keys as `IngestLedger.insert` does."""
    arrivals, refused = read(entries)
    waiting, more = insert_or_bisect(ledger, arrivals)
    refused += more
    if refused:
        log.warning("%d dead letters, the first: %s", len(refused), refused[0].reason)
        ledger.bury(refused)
    return waiting


def read(entries: Sequence[Entry]) -> tuple[list[Arrival], list[Refusal]]:
    """Returns the arrivals that entries hold; refuses what holds none or was delivered too often."""
    arrivals: list[Arrival] = []
    refused: list[Refusal] = []
    for entry in entries:
        often = f"delivered {entry.deliveries} times without success"
        if entry.deliveries > 2 * MOST_DELIVERIES:  # reading it may be what kills
            refused.append(Refusal(entry.payload, often))
            continue
        try:
            arrival = Arrival.from_json(entry.payload)
        except UNREADABLE as error:
            refused.append(Refusal(entry.payload, f"cannot be read: {type(error).__name__}: {error}"))
            continue
        if entry.deliveries > MOST_DELIVERIES:
            refused.append(Refusal(entry.payload, often, arrival))
        else:
            arrivals.append(arrival)
    return arrivals, refused


def insert_or_bisect(
    ledger: IngestLedger, arrivals: Sequence[Arrival]
) -> tuple[dict[UUID, bool], list[Refusal]]:
    """Commits arrivals; where Postgres refuses a batch, halves it until the bad rows stand alone."""
    if not arrivals:
        return {}, []
    try:
        return ledger.insert(arrivals)
    except LedgerRefusedError as error:
        if len(arrivals) == 1:
            return {}, [Refusal(arrivals[0].to_json(), str(error), arrivals[0])]
    middle = len(arrivals) // 2
    waiting, refused = insert_or_bisect(ledger, arrivals[:middle])
    more_waiting, more_refused = insert_or_bisect(ledger, arrivals[middle:])
    return waiting | more_waiting, refused + more_refused


def ring(
    doorbell: Doorbell, queue: str, ids: Sequence[UUID], *, alone: bool = False, gives_way: bool = False
) -> None:
    """Rings; a bell that nobody hears is left to the reaper, which rings again."""
    if not ids:
        return
    try:
        doorbell.ring(queue, ids, alone=alone, gives_way=gives_way)
    except UnavailableError as error:
        log.warning("doorbell %s for %d ids was not heard: %s", queue, len(ids), error)
