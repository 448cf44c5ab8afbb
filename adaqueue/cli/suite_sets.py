"""The files of a suite: recorded outcomes to figures, as `evaluate` does it, and queries."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath
from typing import Any, TypeVar

from adaqueue.cli.evaluation_report import as_data
from adaqueue.cli.lines import Line, read_lines
from adaqueue.cli.provenance import source, versions
from adaqueue.core.query import Query
from adaqueue.core.recorded import RecordedQuery
from adaqueue.core.suites import Suite
from adaqueue.errors import AdaQueueError, BadQueryError
from adaqueue.flows.evaluate import Options, report_on
from adaqueue.wiring.evaluation import workshop
from adaqueue.wiring.nightly import Hands
from adaqueue.wiring.reports import machine

log = logging.getLogger(__name__)

Item = TypeVar("Item")


def replay(suite: Suite) -> dict[str, dict[str, Any]]:
    """Returns the figures of a recorded suite by file; one that cannot be evaluated has `error`."""
    maker = workshop(suite.features)
    return {PurePath(file).name: _figures(suite, file, maker) for file in suite.files}


def read_queries(file: str) -> list[Query]:
    """Returns the queries of a file, each with an id; bad rows are told in the log, and left out."""
    found, _ = _rows(file, lambda line: Query.from_row(line.row()), "queries")
    return [query if query.id is not None else replace(query, id=f"line-{number}") for number, query in found]


def _figures(suite: Suite, file: str, maker: Any) -> dict[str, Any]:
    started = time.monotonic()
    rows, refused = _rows(file, lambda line: RecordedQuery.from_row(line.row(), line.number), "outcomes")
    options = Options(suite.budgets or None, suite.folds, suite.seeds, suite.metadata)
    told = {"source": source(file), "refused": refused, "machine": machine(), "versions": versions()}
    settings = {"features": suite.features, "metadata": list(suite.metadata), "folds": suite.folds}
    try:
        report = report_on([row for _, row in rows], maker, options, lambda *_: None)
    except AdaQueueError as error:
        return {"queries": len(rows), "error": str(error), **told}
    return {**as_data(report), **settings, **told, "seconds": round(time.monotonic() - started, 1)}


def _rows(file: str, read: Callable[[Line], Item], what: str) -> tuple[list[tuple[int, Item]], int]:
    """Returns the good rows with their line numbers, and how many are bad."""
    found, refused = [], 0
    for line in read_lines(file):
        try:
            found.append((line.number, read(line)))
        except BadQueryError as error:
            refused += 1
            log.warning("%s of %s: line %d: %s", what, file, line.number, error)
    return found, refused


HANDS = Hands(replay, read_queries, source, versions)
