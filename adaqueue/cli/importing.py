"""`import`: published data sets as files of queries, logs of others' evaluations as recorded outcomes."""

from __future__ import annotations

import json as json_module
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any, Literal, get_args

import typer
from rich.console import Console
from rich.table import Table

from adaqueue.cli.files import writer
from adaqueue.cli.import_outcomes import LOGS, import_outcomes
from adaqueue.cli.lines import shown, write_row
from adaqueue.cli.options import JsonFile, check_writable, write_json
from adaqueue.cli.records import Record, file_records, mixed, numbered
from adaqueue.core.importers import DATA_SETS, Asked, DataSet
from adaqueue.core.importers.tasks import check_template
from adaqueue.core.query import MAX_ROW_BYTES, Query
from adaqueue.errors import BadQueryError, SettingsError, UnavailableError
from adaqueue.wiring.data import hub_records

INCOMPLETE = 3

Format = Literal[
    "numina-cot",
    "math",
    "gsm8k",
    "taco",
    "apps",
    "livecodebench",
    "humaneval",
    "mbpp",
    "mbpp-sanitized",
    "lmsys-chat-1m",
    "hh-harmless",
    "lm-eval",
    "inspect",
]


def _list(wanted: bool) -> None:
    if not wanted:
        return
    table = Table("set", "on huggingface.co", "split", "kept", "verifier", "licence")
    for name, found in DATA_SETS.items():
        hub = found.hub
        part = hub.files or (hub.subsets[0] if len(hub.subsets) == 1 else "all subsets")
        where = f"{hub.name} ({part})" if part else hub.name
        table.add_row(name, where, hub.split, found.filter, found.verifier, found.licence)
    Console(width=None if Console().is_terminal else 200).print(table)
    raise typer.Exit


def import_queries(
    name: Annotated[Format, typer.Argument(metavar="FORMAT", help=", ".join(get_args(Format)))],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Records as published: JSON lines (.gz too), one JSON array, .parquet or .csv; - is stdin. "
            "Logs: lm-eval's samples_*.jsonl, inspect's .eval or .json. Without a file a data set is "
            "streamed from huggingface.co.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Annotated[str, typer.Option(help="Write the rows here; - is stdout.")],
    split: Annotated[
        str | None, typer.Option(help="Split on the hub [default: the set's].", show_default=False)
    ] = None,
    hub: Annotated[
        str | None,
        typer.Option(
            help="Another name on the hub, or a folder, of the same shape [default: the set's].",
            show_default=False,
        ),
    ] = None,
    subset: Annotated[
        str | None,
        typer.Option(help="Configuration on the hub [default: the set's].", show_default=False),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(help="Branch, tag or commit on the hub [default: the newest].", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Queries at most [default: all].", show_default=False)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Random order: each record is drawn from a window of 1,000 [default: the set's order].",
            show_default=False,
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            help="The prompt, as text or a file, with {question}; for code also {starter}, {entry}, {tests} "
            "[default: the set's].",
            show_default=False,
        ),
    ] = None,
    unfiltered: Annotated[
        bool, typer.Option("--unfiltered", help="Keep what the set's filter leaves out.")
    ] = False,
    metric: Annotated[
        str | None,
        typer.Option(help="Logs: metric, or scorer, whose value is the reward.", show_default=False),
    ] = None,
    filter_: Annotated[
        str | None,
        typer.Option("--filter", help="lm-eval: filter whose answers were scored.", show_default=False),
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option(
            help="Logs: domain of the queries [default: code for pass@1, math with a target, else chat].",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Logs: who drew the samples [default: as logged].", show_default=False)
    ] = None,
    list_: Annotated[
        bool,
        typer.Option(
            "--list", callback=_list, is_eager=True, help="Show every set: filter, verifier, licence."
        ),
    ] = False,
    json: JsonFile = None,
) -> None:
    """Turn a published data set into queries, or a log of an evaluation into recorded outcomes.

    Data sets: queries with references, and solutions where the set has them; `adaqueue verify gate` then
    finds code queries whose own solution fails. No code of a repository is run, and pickled tests are looked
    at, never loaded. What the set's filter leaves out is counted by reason.

    Logs: `lm-eval` (several files of a task add to each document's samples) and `inspect` (epochs are
    samples): rows for `adaqueue evaluate`. A sample without a score is left out and counted, never a failure.

    Exit status 3: some record was refused; each is named with line and reason, the others are written.
    """
    if output == "-" and json == "-":
        raise SettingsError("json: '-': the rows go to stdout: name a file for one of them")
    for target in (output, json):
        check_writable(target)
    only_sets = {"split": split, "hub": hub, "subset": subset, "revision": revision, "seed": seed}
    only_sets |= {"limit": limit, "template": template, "unfiltered": unfiltered or None}
    only_logs = {"metric": metric, "filter": filter_, "domain": domain, "model": model}
    _check_options(name, only_sets if name in LOGS else only_logs)
    console = Console(stderr=True)
    if name in LOGS:
        figures = import_outcomes(name, files or [], Asked(metric, filter_, domain, model), output, console)
    else:
        chosen = _chosen(DATA_SETS[name], hub, subset, unfiltered)
        records = _records(chosen, files, split, revision)
        with closing(records), writer(output) as target_file:
            order = records if seed is None else mixed(records, seed)
            job = _Job(chosen, _template(template), target_file, console)
            figures = job.run(shown(order, "importing", None), limit)
    write_json(json, figures)
    if figures["refused"]:
        raise typer.Exit(INCOMPLETE)


def _check_options(name: str, foreign: dict[str, Any]) -> None:
    for option, value in foreign.items():
        if value is not None:
            raise SettingsError(f"{option}: {value!r}: says nothing for {name}: leave it out")


def _chosen(known: DataSet, hub: str | None, subset: str | None, unfiltered: bool) -> DataSet:
    where = replace(known.hub, name=hub or known.hub.name)
    where = where if subset is None else replace(where, subsets=(subset,))
    chosen = replace(known, hub=where)
    return replace(chosen, left_out=lambda record: "") if unfiltered else chosen


def _records(
    chosen: DataSet, files: list[str] | None, split: str | None, revision: str | None
) -> Generator[Record]:
    if files:
        for option, value in (("split", split), ("revision", revision)):
            if value is not None:
                raise SettingsError(f"{option}: {value!r}: says nothing of a file: leave one of them out")
        yield from file_records(files)
    else:
        yield from numbered(hub_records(chosen.hub, split or chosen.hub.split, revision))


def _template(given: str | None) -> str | None:
    if given is None:
        return None
    path = Path(given)
    try:
        text = path.read_text() if "{question}" not in given and path.is_file() else given
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(f"{given}: {error}") from error
    check_template(text)
    return text


class _Job:
    """Records in, rows out, and the books of it."""

    def __init__(self, chosen: DataSet, template: str | None, target: IO[str], console: Console) -> None:
        self._set, self._template, self._target, self._console = chosen, template, target, console
        self._counts: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def run(self, records: Iterator[Record], limit: int | None) -> dict[str, Any]:
        """Writes the rows and returns the figures."""
        for row in islice(self._rows(records), limit):
            write_row(self._target, row)
            self._counts["queries"] += 1
            reference = row.get("reference")
            self._counts["solutions"] += isinstance(reference, dict) and "solution" in reference
        counted = {name: self._counts[name] for name in ("queries", "solutions", "refused")}
        self._console.print(
            f"{counted['queries']:,} queries, {counted['solutions']:,} with a solution; "
            f"{counted['refused']:,} records refused{_in_words(self._left_out)}",
            soft_wrap=True,
        )
        return {**counted, "left_out": dict(self._left_out)}

    def _rows(self, records: Iterator[Record]) -> Iterator[dict[str, Any]]:
        for record in records:
            try:
                fields = record.fields()
                if reason := self._set.left_out(fields):
                    self._left_out[reason] += 1
                else:
                    yield self._row(fields, record.number)
            except BadQueryError as error:
                self._counts["refused"] += 1
                words = f"{record.place}: {error}"
                self._console.print(words, style="red", soft_wrap=True, markup=False, highlight=False)

    def _row(self, fields: dict[str, Any], number: int) -> dict[str, Any]:
        """Returns the row of a record, good for every command that takes queries."""
        row = self._set.importer(fields, number, self._template)
        Query.from_row(row)
        size = len(json_module.dumps(row, ensure_ascii=False).encode())
        if size > MAX_ROW_BYTES:
            raise BadQueryError("tests", f"{size:,} bytes", f"a query has at most {MAX_ROW_BYTES:,}")
        return row


def _in_words(left_out: Counter[str]) -> str:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())
    return f"; left out: {reasons}" if reasons else ""
