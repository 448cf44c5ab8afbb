"""`export`: the ledger's outcomes as a file."""

from __future__ import annotations

import datetime
import json as json_module
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO, Annotated, Any, Literal

import typer
from rich.console import Console

from adaqueue import wiring
from adaqueue.cli.files import writer
from adaqueue.cli.lines import shown, write_row
from adaqueue.cli.options import Config, DataFolder, JsonFile, check_writable, write_json
from adaqueue.core.exported import (
    DrawnQuery,
    inspect_header,
    inspect_samples,
    lm_eval_records,
    recorded_row,
)
from adaqueue.errors import SettingsError
from adaqueue.wiring.exports import PostgresExports, RunOutcomes, exports

Format = Literal["adaqueue", "lm-eval", "inspect"]


def export(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Name or id of a run.", show_default=False)
    ] = None,
    *,
    output: Annotated[str, typer.Option(help="Write the outcomes here; - is stdout.")],
    last: Annotated[bool, typer.Option("--last", help="The newest run that served.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Every run that served.")] = False,
    domain: Annotated[
        str | None, typer.Option(help="math, code or chat alone [default: all].", show_default=False)
    ] = None,
    format_: Annotated[
        Format,
        typer.Option(
            "--format", help="adaqueue: recorded outcomes; lm-eval: samples_*.jsonl; inspect: a .json log."
        ),
    ] = "adaqueue",
    data_folder: DataFolder = None,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    """Write what became of queries that have ended, sample by sample: rewards, tokens and texts.

    The ledger is that of the system that is up, or of ADAQUEUE_DATABASE_URL. `adaqueue evaluate` takes rows
    of the format `adaqueue`. Where the policy ends a query at its first success, the row says "stopped":
    true, and cannot be evaluated: draw with ADAQUEUE_POLICY=uniform, or let exploration draw.

    A sample that nobody could verify is no failure: it is left out and counted.
    """
    if output == "-" and json == "-":
        raise SettingsError("json: '-': the outcomes go to stdout: name a file for one of them")
    if sum((run is not None, last, all_)) != 1:
        raise SettingsError("run: name one run, or give --last or --all")
    if all_ and format_ == "inspect":
        raise SettingsError("format: 'inspect': such a log is of one run: name it, or give --last")
    for target in (output, json):
        check_writable(target)
    settings = wiring.load_settings(config, data_folder=data_folder)
    books = _Books()
    with exports(settings) as ledger, writer(output) as file:
        runs = ledger.runs(run, newest=not all_)
        drawn = shown(books.counted(_drawn(ledger, runs, domain, books)), "exporting", None)
        _WRITERS[format_](file, drawn, runs[0])
    figures = books.figures(len(runs))
    _say(figures, Console(stderr=True))
    write_json(json, figures)


class _Books:
    """Counts what passes."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def counted(self, queries: Iterable[DrawnQuery]) -> Iterator[DrawnQuery]:
        """Yields those that have a sample with a reward."""
        for query in queries:
            self._counts["unverified"] += query.unverified
            if not query.samples:
                self.left_out["no verified sample"] += 1
                continue
            self._counts["queries"] += 1
            self._counts["samples"] += len(query.samples)
            self._counts["stopped"] += query.stopped
            yield query

    def figures(self, runs: int) -> dict[str, Any]:
        """Returns what was counted."""
        names = ("queries", "samples", "stopped", "unverified")
        counted = {name: self._counts[name] for name in names}
        return {"runs": runs, **counted, "left_out": dict(self.left_out)}


def _drawn(
    ledger: PostgresExports, runs: list[RunOutcomes], domain: str | None, books: _Books
) -> Iterator[DrawnQuery]:
    for run in runs:
        books.left_out.update(ledger.left_out(run, domain))
        yield from ledger.drawn(run, domain)


def _write_rows(file: IO[str], drawn: Iterable[DrawnQuery], run: RunOutcomes) -> None:
    for query in drawn:
        write_row(file, recorded_row(query))


def _write_lm_eval(file: IO[str], drawn: Iterable[DrawnQuery], run: RunOutcomes) -> None:
    for number, query in enumerate(drawn):
        for record in lm_eval_records(query, number):
            write_row(file, record)


def _write_inspect(file: IO[str], drawn: Iterable[DrawnQuery], run: RunOutcomes) -> None:
    """Writes one JSON object, piece by piece: the samples are never all in memory."""
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    head = json_module.dumps(inspect_header(run.name, run.model, created))
    file.write(head.removesuffix("}") + ', "samples": [')
    separator = "\n"
    for query in drawn:
        for sample in inspect_samples(query):
            file.write(separator + json_module.dumps(sample))
            separator = ",\n"
    file.write("\n]}\n")


_WRITERS = {"adaqueue": _write_rows, "lm-eval": _write_lm_eval, "inspect": _write_inspect}


def _say(figures: dict[str, Any], console: Console) -> None:
    words = f"{figures['queries']:,} queries with {figures['samples']:,} samples"
    words += f"; {figures['stopped']:,} stopped at a success" if figures["stopped"] else ""
    words += f"; {figures['unverified']:,} samples without a reward left out" if figures["unverified"] else ""
    words += "".join(f"; {count:,} queries {reason}" for reason, count in figures["left_out"].items())
    console.print(words, soft_wrap=True)
