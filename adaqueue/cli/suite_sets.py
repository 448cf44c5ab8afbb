"""The files of a suite: recorded outcomes to figures, as `evaluate` does it, and queries."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from rich.console import Console

from adaqueue.cli.evaluation_report import as_data
from adaqueue.cli.lines import read_lines
from adaqueue.cli.provenance import source, versions
from adaqueue.cli.recorded_rows import read_rows
from adaqueue.core.query import Query
from adaqueue.core.suites import Suite
from adaqueue.errors import AdaQueueError, BadQueryError
from adaqueue.flows.evaluate import Options, Workshop, report_on
from adaqueue.wiring.evaluation import workshop
from adaqueue.wiring.nightly import Hands
from adaqueue.wiring.reports import machine

log = logging.getLogger(__name__)


def replay(suite: Suite) -> dict[str, dict[str, Any]]:
    """Returns the figures of a recorded suite by file; one that cannot be evaluated has `error`."""
    maker = workshop(suite.features)
    return {PurePath(file).name: _figures(suite, file, maker) for file in suite.files}


def read_queries(file: str) -> list[Query]:
    """Returns the queries of a file, each with an id; bad rows are told in the log, and left out."""
    found = []
    for line in read_lines(file):
        try:
            query = Query.from_row(line.row())
        except BadQueryError as error:
            log.warning("%s: line %d: %s", file, line.number, error)
        else:
            found.append(query if query.id is not None else replace(query, id=f"line-{line.number}"))
    return found


def _figures(suite: Suite, file: str, maker: Workshop) -> dict[str, Any]:
    started, rows = time.monotonic(), read_rows(file)
    rows.complain(file, Console(stderr=True))
    options = Options(suite.budgets or None, suite.folds, suite.seeds, suite.metadata)
    told = {"source": source(file), "refused": len(rows.refusals), "machine": machine()}
    settings = {"features": suite.features, "metadata": list(suite.metadata), "folds": suite.folds}
    try:
        rows.check()
        report = report_on(rows.queries, maker, options, lambda *_: None)
    except AdaQueueError as error:
        return {"queries": len(rows.queries), "error": str(error), **told, "versions": versions()}
    seconds = round(time.monotonic() - started, 1)
    return {**as_data(report), **settings, **told, "versions": versions(), "seconds": seconds}


HANDS = Hands(replay, read_queries, source, versions)
