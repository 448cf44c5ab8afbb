"""The part of `import` that reads others' logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from adaqueue.cli.files import writer
from adaqueue.cli.lines import shown, write_row
from adaqueue.cli.records import Record, file_records, numbered
from adaqueue.core.importers import Asked, InspectLog, LmEvalLog, OutcomeLog
from adaqueue.core.recorded import RecordedQuery
from adaqueue.errors import BadQueryError, SettingsError
from adaqueue.wiring.data import inspect_samples

LOGS = ("lm-eval", "inspect")


def import_outcomes(
    name: str, files: list[str], asked: Asked, output: str, console: Console
) -> dict[str, Any]:
    """Writes a row of recorded outcomes for each query of the logs; returns the figures.

    Raises:
        SettingsError: no file is given, or the log has several metrics or filters and none was chosen.
    """
    if not files:
        raise SettingsError(f"file: none: {name} reads logs: name at least one")
    log: OutcomeLog = LmEvalLog(asked) if name == "lm-eval" else InspectLog(asked)
    counts: Counter[str] = Counter()
    for record in shown(_records(name, files), "importing", None):
        try:
            log.add(record.fields(), record.file)
        except BadQueryError as error:
            _refuse(counts, console, f"{record.place}: {error}")
    with writer(output) as target:
        for number, row in enumerate(log.rows(), start=1):
            try:
                write_row(target, _checked(row, number))
            except BadQueryError as error:
                _refuse(counts, console, str(error))
            else:
                counts["queries"] += 1
                counts["samples"] += _samples(row)
    figures = {"queries": counts["queries"], "samples": counts["samples"], "refused": counts["refused"]}
    _say(console, figures, log.left_out)
    return {**figures, "left_out": dict(log.left_out)}


def _records(name: str, files: list[str]) -> Iterator[Record]:
    for file in files:
        found = file_records([file]) if name == "lm-eval" else numbered(inspect_samples(file))
        yield from (Record(record.number, record.content, file) for record in found)


def _checked(row: dict[str, Any] | BadQueryError, number: int) -> dict[str, Any]:
    """Returns the row, good for `adaqueue evaluate`."""
    if isinstance(row, BadQueryError):
        raise row
    RecordedQuery.from_row(row, number)
    return row


def _samples(row: dict[str, Any] | BadQueryError) -> int:
    return 0 if isinstance(row, BadQueryError) else int(row.get("n") or len(row.get("samples", ())))


def _refuse(counts: Counter[str], console: Console, words: str) -> None:
    counts["refused"] += 1
    console.print(words, style="red", soft_wrap=True, markup=False, highlight=False)


def _say(console: Console, figures: Mapping[str, int], left_out: Counter[str]) -> None:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())
    console.print(
        f"{figures['queries']:,} queries with {figures['samples']:,} samples; {figures['refused']:,} refused"
        + (f"; samples left out: {reasons}" if reasons else ""),
        soft_wrap=True,
    )
