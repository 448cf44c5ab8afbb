"""The code verifier: has responses' programs run against their queries' tests by sandboxes."""

from __future__ import annotations

import itertools
import json
import queue
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from adaqueue.adapters import code_program
from adaqueue.adapters.code_compare import Comparison
from adaqueue.adapters.code_wire import MOST_REPORT_BYTES, SOCKET_SUFFIX, STARTED, Limits, Report, Request
from adaqueue.adapters.sandbox import frames
from adaqueue.core.query import Query
from adaqueue.core.records import Sample, Verdict, not_verified
from adaqueue.errors import VerifierAwayError, VerifierError

__all__ = ["CodeVerifier", "Limits", "Report", "Request"]

_VERSION = "1"
_CONNECTIONS_PER_SOCKET = 2
_MOST_TRIES = 3
_RETRY_SECONDS = 0.2
_SLACK_SECONDS = 60.0


@dataclass
class _Work:
    """Programs still to be verified, shared by the threads of one batch."""

    requests: Sequence[Request]
    waiting: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    reports: dict[int, Report] = field(default_factory=dict)
    tries: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tries = [0] * len(self.requests)
        for place in range(len(self.requests)):
            self.waiting.put(place)

    def put_back(self, place: int, reason: str) -> None:
        """Leaves a program to another sandbox; one that took several with it is not verified."""
        self.tries[place] += 1
        if self.tries[place] < _MOST_TRIES:
            self.waiting.put(place)
        else:
            self.reports[place] = Report("not_verified", (), reason, None, 0.0)


class CodeVerifier:
    """Gives code samples their verdicts.

    Args:
        folder: holds the sockets of sandboxes; those that come later are found, too.
        limits: of each run.
        comparison: how outputs and results are compared with what is expected.
        patience_seconds: how long to look for a sandbox when there is none.

    Attributes:
        folder: as given.
        limits: as given.
        comparison: as given.
    """

    name = "code"

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        comparison: Comparison = "strict",
        *,
        patience_seconds: float = 10.0,
    ) -> None:
        self.folder = folder
        self.limits = limits
        self.comparison = comparison
        self._patience_seconds = patience_seconds
        self._turn = itertools.count()

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        """Returns the verdicts, see `Verifier`; a program that occurs twice is run once."""
        requests = [self._request(query, sample) for query, sample in drawn]
        keys = [(json.dumps(request.reference, sort_keys=True), request.programs) for request in requests]
        distinct = dict(zip(keys, requests, strict=True))
        reports = dict(zip(distinct, self.examine(list(distinct.values())), strict=True))
        samples = [sample for _, sample in drawn]
        return [self._verdict(sample, reports[key]) for sample, key in zip(samples, keys, strict=True)]

    def examine(self, requests: Sequence[Request]) -> list[Report]:
        """Returns a report for each request.

        Raises:
            VerifierAwayError: no sandbox could be reached for `patience_seconds`.
        """
        work = _Work(requests)
        last_seen = time.monotonic()
        while len(work.reports) < len(requests):
            if self._share_out(work):
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > self._patience_seconds:
                raise VerifierAwayError(f"no sandbox can be reached in {self.folder}: start one")
            else:
                time.sleep(_RETRY_SECONDS)
        return [work.reports[place] for place in range(len(requests))]

    def _request(self, query: Query, sample: Sample) -> Request:
        if not isinstance(query.reference, Mapping):
            raise VerifierError(f"query {query.id!r} of domain {query.domain} has no tests")
        prompt = code_program.asked(query)
        return Request(
            programs=code_program.programs(prompt, str(sample.text)),
            reference=query.reference,
            definitions=code_program.definitions(prompt),
            limits=self.limits,
            comparison=self.comparison,
        )

    def _verdict(self, sample: Sample, report: Report) -> Verdict:
        if report.verdict == "not_verified":
            return not_verified(sample, report.route)
        return Verdict(
            query_id=sample.query_id,
            number=sample.number,
            verdict=report.verdict,
            reward=float(report.verdict == "passed"),
            verifier=self.name,
            version=_VERSION,
            route=report.route,
            tier=report.tier,
            seconds=report.seconds,
        )

    def _share_out(self, work: _Work) -> bool:
        """Has all reachable sandboxes work until nothing waits; returns whether there was any."""
        connections = self._connections(work.waiting.qsize())
        if connections:
            with ThreadPoolExecutor(len(connections)) as threads:
                started = [threads.submit(_work_off, connection, work) for connection in connections]
            for one in started:
                one.result()
        return bool(connections)

    def _connections(self, most: int) -> list[socket.socket]:
        """Connects to the sandboxes in turn, beginning with another one each time."""
        paths = sorted(self.folder.glob(f"*{SOCKET_SUFFIX}"))
        first = next(self._turn) % len(paths) if paths else 0
        connections: list[socket.socket] = []
        for path in (paths[first:] + paths[:first]) * _CONNECTIONS_PER_SOCKET:
            if len(connections) < most and (connection := _connect(path)):
                connections.append(connection)
        return connections


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    return connection


def _work_off(connection: socket.socket, work: _Work) -> None:
    with connection:
        while True:
            try:
                place = work.waiting.get_nowait()
            except queue.Empty:
                return
            try:
                work.reports[place] = _ask(connection, work.requests[place])
            except (OSError, frames.TooLargeError, ValueError, TypeError) as error:
                work.put_back(place, f"the sandbox broke: {error}")
                return


def _ask(connection: socket.socket, request: Request) -> Report:
    """Waits for its turn for as long as the sandbox lives, and then for as long as its limits allow."""
    connection.settimeout(None)
    frames.send(connection, request.to_bytes())
    if frames.receive(connection, MOST_REPORT_BYTES) != STARTED:
        raise ValueError("the sandbox speaks of something else")
    runs = 2 * len(request.reference.get("tests", [None]))
    patience = runs * request.limits.wall_seconds + _SLACK_SECONDS
    return Report.from_bytes(frames.receive(connection, MOST_REPORT_BYTES, time.monotonic() + patience))
