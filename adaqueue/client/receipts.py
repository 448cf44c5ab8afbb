"""Receipts of enqueued queries, and the one poller that settles them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from threading import Condition, Thread
from typing import Any

from adaqueue.core.records import Answer, Result
from adaqueue.errors import (
    DeadLetteredError,
    QueryCancelledError,
    QueryExpiredError,
    QueryFailedError,
    UnavailableError,
)

log = logging.getLogger(__name__)

SHORTEST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0
FAILURES: dict[str, type[QueryFailedError]] = {
    "cancelled": QueryCancelledError,
    "expired": QueryExpiredError,
    "dead_lettered": DeadLetteredError,
}


class Receipt:
    """Stands for a query that was accepted; may be waited for, or awaited.

    Attributes:
        id: the user's id of the query.
        content: digest of its content.
        reached: `accepted` (it is in the inbox) or `ledger` (it is committed in Postgres).
    """

    def __init__(self, query_id: str, content: str, reached: str) -> None:
        self.id = query_id
        self.content = content
        self.reached = reached
        self.future: Future[Answer] = Future()
        self.future.set_running_or_notify_cancel()  # nobody can cancel it for the others

    def result(self, timeout: float | None = None) -> Answer:
        """Returns the answer, waiting for it.

        Args:
            timeout: seconds to wait at most; None waits for ever.

        Raises:
            TimeoutError: it has not ended yet; the receipt stays good.
            QueryFailedError: it ended without an answer, or its id was taken by another query.
        """
        return self.future.result(timeout)

    def done(self) -> bool:
        """Whether the query has ended."""
        return self.future.done()

    def __await__(self) -> Generator[Any, None, Answer]:
        # shielded: who stops awaiting does not spoil the receipt for others
        return asyncio.shield(asyncio.wrap_future(self.future)).__await__()

    def settle(self, result: Result) -> None:
        """Takes the ledger's word."""
        if result.answer is not None:
            self.future.set_result(result.answer)
        else:
            self.future.set_exception(FAILURES[result.outcome](self.id, result.reason or result.outcome))


class Poller:
    """Asks the ledger for all outstanding receipts in one query, as long as there are any.

    Args:
        ask: returns those of the given ids that have ended.
    """

    def __init__(self, ask: Callable[[Iterable[str]], list[Result]]) -> None:
        self._ask = ask
        self._changed = Condition()
        self._waiting: dict[tuple[str, str], list[Receipt]] = {}
        self._closed = False
        self._thread: Thread | None = None

    def add(self, receipts: Iterable[Receipt]) -> None:
        """Takes receipts on."""
        with self._changed:
            if self._closed:
                raise UnavailableError("the client is closed: connect to the run again")
            for receipt in receipts:
                self._waiting.setdefault((receipt.id, receipt.content), []).append(receipt)
            if self._thread is None:
                self._thread = Thread(target=self._poll, name="adaqueue-receipts", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Stops asking; receipts still outstanding fail, their queries go on."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._fail_all(
            UnavailableError("the client was closed; connect to the run again and give the id again")
        )

    def _poll(self) -> None:
        pause = SHORTEST_PAUSE_SECONDS
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                ids = [query_id for query_id, _ in self._waiting]
            started = time.monotonic()
            settled = self._settle(ids)
            took = time.monotonic() - started
            pause = SHORTEST_PAUSE_SECONDS if settled else min(2 * pause, LONGEST_PAUSE_SECONDS / 4)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, min(max(pause, 4 * took), LONGEST_PAUSE_SECONDS))

    def _settle(self, ids: list[str]) -> int:
        """Settles what has ended and returns how many; an outage costs a pause."""
        try:
            results = self._ask(ids)
        except UnavailableError as error:
            log.warning("%s; receipts wait", error)
            return 0
        except Exception as error:  # noqa: BLE001 - each receipt raises it; a dead poller would hang them all
            self._fail_all(error)
            return 0
        for result in results:
            with self._changed:
                receipts = self._waiting.pop((result.id, result.content), [])
            for receipt in receipts:
                receipt.settle(result)
        return len(results)

    def _fail_all(self, error: Exception) -> None:
        with self._changed:
            receipts = [receipt for group in self._waiting.values() for receipt in group]
            self._waiting.clear()
        for receipt in receipts:
            receipt.future.set_exception(error)
