"""A worker's identity in the ledger, kept alive by a thread."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from threading import Event, Lock, Thread, local
from uuid import UUID

from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import allocations, attempts, workers
from adaqueue.errors import UnavailableError

log = logging.getLogger(__name__)


class Heartbeat:
    """Says every few seconds that this worker lives.

    Args:
        database: the ledger's Postgres.
        kind: of the worker, such as `sampler`.
        seconds: between two beats.
        serves: engine and decoder of a sampler.
    """

    def __init__(
        self,
        database: Database,
        kind: str,
        seconds: float,
        serves: tuple[str | None, str | None] = (None, None),
    ) -> None:
        self._database = database
        self._worker = workers.Worker(kind, socket.gethostname(), os.getpid(), *serves)
        self._seconds = seconds
        self._lock = Lock()
        self._stopping = Event()
        self._register()
        Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def worker_id(self) -> UUID:
        """Returns who this worker is now."""
        with self._lock:
            return self._worker_id

    def renew(self, *, blameless: bool, stopping: Event | None = None) -> None:
        """Becomes a new worker, as soon as Postgres answers: what the old one still holds goes to others.

        For a worker that lost track of its claims, because a fault cut it off before it gave them up.

        Args:
            blameless: the fault was the servers', so that no query is charged an attempt for it.
            stopping: once set, nobody waits for Postgres any more.
        """
        old = self.worker_id()
        while not (self._stopping.is_set() or (stopping is not None and stopping.is_set())):
            try:
                self._register()
                with self._database.begin() as conn:
                    if blameless:
                        tries = allocations.hand_back_of(conn, old)
                        attempts.end(conn, tries, "handed_back", "the servers were out of reach")
                    workers.stop(conn, old)
                return
            except UnavailableError as error:
                log.warning("heartbeat: %s", error)
                self._stopping.wait(self._seconds)

    def stop(self) -> None:
        """Says that this worker stops: whatever it still holds goes back to others at once."""
        self._stopping.set()
        with self._database.begin() as conn:
            workers.stop(conn, self.worker_id())

    def _register(self) -> None:
        worker_id = uuid7()
        with self._database.begin() as conn:
            workers.register(conn, worker_id, self._worker)
        with self._lock:
            self._worker_id = worker_id

    def _beat(self) -> None:
        try:
            while not self._stopping.wait(self._seconds):
                self._beat_once()
        except BaseException:
            log.critical("no heartbeat any more: this process ends, to be started afresh", exc_info=True)
            os._exit(1)

    def _beat_once(self) -> None:
        try:
            with self._database.begin() as conn:
                workers.beat(conn, self.worker_id())
        except UnavailableError as error:
            log.warning("heartbeat: %s", error)


class ThreadHeartbeats:
    """An identity for each thread that works: a fault of one takes no claim from the others.

    Args:
        begin: starts a heartbeat; the first is started at once, so that the process is heard of.
    """

    def __init__(self, begin: Callable[[], Heartbeat]) -> None:
        self._begin = begin
        self._lock = Lock()
        self._free = [begin()]
        self._all = list(self._free)
        self._own = local()

    def own(self) -> Heartbeat:
        """Returns that of the calling thread."""
        if not hasattr(self._own, "heartbeat"):
            with self._lock:
                if not self._free:
                    self._free.append(self._begin())
                    self._all += self._free
                self._own.heartbeat = self._free.pop()
        heartbeat: Heartbeat = self._own.heartbeat
        return heartbeat

    def stop(self) -> None:
        """Says of all that they stop."""
        for heartbeat in self._all:
            heartbeat.stop()
