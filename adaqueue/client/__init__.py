"""What a producer uses: give queries, get answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from adaqueue import wiring
from adaqueue.client.receipts import Poller, Receipt
from adaqueue.core.arrivals import Arrival
from adaqueue.core.query import Query
from adaqueue.core.recording import RecordedSample
from adaqueue.core.records import Answer, Drawn
from adaqueue.core.rule import Rule
from adaqueue.core.specs import Run
from adaqueue.errors import (
    BadQueryError,
    ConflictError,
    InboxFullError,
    QueryFailedError,
    SettingsError,
    UnavailableError,
)

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 0.2
RUN_SETTINGS = ("engine", "policy", "average_budget", "b_max", "is_batch")


class AdaQueue:
    """A run: a stream of queries under one policy and one account. Made by `connect`.

    Attributes:
        run: the run as the ledger knows it.
    """

    def __init__(self, services: wiring.ClientServices, run: Run) -> None:
        self.run = run
        self._services = services
        self._given: set[tuple[str, str]] = set()
        self._poller = Poller(lambda ids: list(services.results.closed(run.id, ids)))

    @classmethod
    def connect(
        cls,
        *,
        run: str | None = None,
        batch: bool = False,
        config: Path | None = None,
        **settings: Any,
    ) -> AdaQueue:
        """Opens a run and returns the client for it.

        Args:
            run: its name; the open run of that name is continued. Absent: a new run.
            batch: whether the run's total is fixed, `average_budget` for each of its queries, however
                they are spread: tell with `seal` when all are given. Else it is a stream, whose queries keep
                coming, each answered soon, and whose average spending is held at `average_budget`.
            config: a TOML file of settings.
            **settings: any setting, such as redis_url, database_url, average_budget, policy, engine.

        Raises:
            SettingsError: a setting is unknown or out of range, or is not that of the open run.
            UnavailableError: no system is up, or Postgres cannot be reached.
        """
        services = wiring.client_services(config, settings)
        wanted = services.new_run(run, is_batch=batch)
        opened = services.results.open_run(wanted)
        given = {**settings, "is_batch": batch or None}
        for name in RUN_SETTINGS:
            if given.get(name) is not None and getattr(opened, name) != getattr(wanted, name):
                services.close()
                now = f"the open run {opened.name!r} has {getattr(opened, name)!r}"
                raise SettingsError(f"{name}: {given[name]!r}: {now}: leave it out, or choose another run")
        return cls(services, opened)

    def enqueue(self, query: Query, timeout: float = 60.0) -> Receipt:
        """Gives one query; returns its receipt once it is accepted.

        Giving the same id and content again is harmless and returns a receipt for the same query.

        Args:
            query: what to ask.
            timeout: seconds to wait for room in the inbox at most.

        Raises:
            ConflictError: the id was given before in this run with other content.
            BadQueryError: the run's engine cannot serve the query.
            InboxFullError: no room in time; the query was not accepted.
            UnavailableError: neither Redis nor Postgres can be reached; the query was not accepted.
        """
        (receipt,) = self.enqueue_many([query], timeout)
        if receipt.done():
            receipt.result()
        return receipt

    def enqueue_many(self, queries: Iterable[Query], timeout: float = 60.0) -> list[Receipt]:
        """Gives queries in order; returns a receipt for each.

        A query whose id is taken by other content does not stop the rest: its receipt raises
        ConflictError.

        Args:
            queries: what to ask.
            timeout: seconds without any progress to wait for room in the inbox.

        Raises:
            BadQueryError: the run's engine cannot serve a query; none was accepted.
            InboxFullError, UnavailableError: as `enqueue`; what was accepted stays so, and giving all
                again is harmless.
        """
        arrivals = [self._arrival(query) for query in queries]
        receipts: list[Receipt] = []
        for start in range(0, len(arrivals), self._services.admit_batch):
            receipts += self._admit(arrivals[start : start + self._services.admit_batch], timeout)
        return receipts

    def as_completed(self, receipts: Iterable[Receipt], timeout: float | None = None) -> Iterator[Answer]:
        """Yields answers as they come.

        Raises:
            TimeoutError: some have not ended in time.
            ExceptionGroup: of QueryFailedError, after all answers: those that ended without one.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pending = {receipt.future for receipt in receipts}
        failures: list[Exception] = []
        while pending:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            done, pending = wait(pending, left, return_when=FIRST_COMPLETED)
            if not done:
                raise TimeoutError(f"{len(pending)} queries have not ended after {timeout:g} s")
            for future in done:
                error = future.exception()
                if isinstance(error, QueryFailedError | BadQueryError):
                    failures.append(error)
                else:
                    yield future.result()
        if failures:
            raise ExceptionGroup(f"{len(failures)} queries ended without an answer", failures)

    def check(self, query: Query) -> None:
        """Refuses a query that the run's engine cannot serve.

        Raises:
            BadQueryError: names the field, its value and the remedy.
        """
        if self.run.engine == "replay":
            if query.recording is None:
                remedy = "the replay engine needs recorded samples: n and successes, rewards, or samples"
                raise BadQueryError("recording", None, remedy)
            if query.recording.all_rewarded:
                return
        if query.domain == "chat" and self._services.reward_model is None:
            remedy = "nobody here scores chat: set ADAQUEUE_REWARD_MODEL, or replay samples with rewards"
            raise BadQueryError("domain", "chat", remedy)
        if query.domain == "code" and query.reference is None:
            raise BadQueryError("reference", None, "samples that are drawn need tests to be verified")

    def seal(self) -> None:
        """Says that a batch gets no more queries than this client gave.

        Those that are open when its total is spent end then.

        A batch that is not sealed counts as such when it got no query for `batch_idle_seconds`. Queries given
        later still bring their budget and are answered.
        """
        self._services.results.seal_run(self.run.id, len(self._given))

    def finish(self) -> None:
        """Closes the run: its name is free again; the ledger keeps what it holds."""
        self._services.results.close_run(self.run.id)

    def counts(self) -> dict[str, int]:
        """Returns how many rows of each table of the ledger belong to the run."""
        return self._services.results.counts(self.run.id)

    def drawn(self) -> list[Drawn]:
        """Returns what was believed of each query, and what came out, by id."""
        return list(self._services.results.drawn(self.run.id))

    def responses(self) -> dict[str, list[RecordedSample]]:
        """Returns the samples of each query that have a verdict, in the order of drawing, by id."""
        return self._services.results.responses(self.run.id)

    def rule(self, domain: str) -> Rule | None:
        """Returns the rule of the probe in use for a domain, see `core.rule`; None if there is none."""
        return self._services.rule(domain)

    def close(self) -> None:
        """Closes connections; the run stays open, and queries go on."""
        self._poller.close()
        self._services.close()

    def __enter__(self) -> AdaQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _arrival(self, query: Query) -> Arrival:
        self.check(query)
        key: UUID = uuid7()
        named = query if query.id is not None else replace(query, id=str(key))
        return Arrival(key, self.run.id, named)

    def _admit(self, arrivals: Sequence[Arrival], timeout: float) -> list[Receipt]:
        """Admits one batch, waiting for room; straight into the ledger where Redis is out of reach."""
        receipts: list[Receipt] = []
        deadline = time.monotonic() + timeout
        while len(receipts) < len(arrivals):
            rest = arrivals[len(receipts) :]
            try:
                admitted = self._services.inbox.admit(rest)
            except UnavailableError as error:
                log.warning("%s; %d queries go straight to the ledger", error, len(rest))
                return receipts + self._insert(rest)
            statuses = [admission.status for admission in admitted]
            receipts += [self._receipt(a, status) for a, status in zip(rest, statuses, strict=False)]
            if admitted:
                deadline = time.monotonic() + timeout
            elif time.monotonic() > deadline:
                raise InboxFullError(RETRY_AFTER_SECONDS)
            else:
                time.sleep(RETRY_AFTER_SECONDS)
        return receipts

    def _insert(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        _, refused = self._services.ingest.insert(arrivals)
        conflicts = {refusal.arrival.id for refusal in refused if refusal.arrival}
        return [
            self._receipt(arrival, "conflict" if arrival.id in conflicts else "ledger")
            for arrival in arrivals
        ]

    def _receipt(self, arrival: Arrival, status: str) -> Receipt:
        query = arrival.query
        reached = "ledger" if status == "ledger" else "accepted"
        receipt = Receipt(str(query.id), query.content_hash(), reached)
        if status == "conflict":
            remedy = "was given before in this run with other content: choose another id"
            receipt.future.set_exception(ConflictError("id", query.id, remedy))
        else:
            self._given.add((query.account, str(query.id)))
            self._poller.add([receipt])
        return receipt
