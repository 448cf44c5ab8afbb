"""`import`: published data sets of programming tasks as files of queries."""

from __future__ import annotations

import json as json_module
from collections import Counter
from collections.abc import Iterator
from typing import IO, Annotated, Any, Literal

import typer
from rich.console import Console

from adaqueue.cli.files import parse, writer
from adaqueue.cli.lines import Line, read_lines, shown, write_row
from adaqueue.cli.options import JsonFile, check_writable, write_json
from adaqueue.core.importers import FORMATS, Importer
from adaqueue.core.query import MAX_ROW_BYTES, Query
from adaqueue.errors import BadQueryError, SettingsError

INCOMPLETE = 3
MOST_RECORD_BYTES = 1 << 30


def import_queries(
    data_set: Annotated[
        Literal["humaneval", "mbpp", "apps", "taco", "livecodebench"],
        typer.Argument(metavar="FORMAT", help="humaneval, mbpp, apps, taco or livecodebench."),
    ],
    file: Annotated[
        str,
        typer.Argument(
            help="Its records as published: JSON lines or one array; .gz is read too; - is stdin."
        ),
    ],
    output: Annotated[str, typer.Option(help="Write the queries here; - is stdout.")],
    json: JsonFile = None,
) -> None:
    """Turn a published data set of programming tasks into queries with tests, and solutions where it has any.

    Records are read as the sets are published: human-eval's HumanEval.jsonl; mbpp.jsonl and
    sanitized-mbpp.json; the rows of codeparrot/apps, BAAI/TACO, livecodebench/code_generation(_lite) as JSON
    lines. Nothing is downloaded, and pickled tests are looked at, never loaded. Afterwards `adaqueue verify
    gate` finds queries whose own solution fails.

    Exit status 3: some record was refused; each is named with line and reason, the others are written.
    """
    if output == "-" and json == "-":
        raise SettingsError("json: '-': the queries go to stdout: name a file for one of them")
    for target in (output, json):
        check_writable(target)
    console = Console(stderr=True)
    with writer(output) as target_file:
        counts = _import(FORMATS[data_set], shown(_records(file), "importing", None), target_file, console)
    console.print(
        f"{counts['queries']:,} queries, {counts['solutions']:,} with a solution; "
        f"{counts['refused']:,} records refused",
        soft_wrap=True,
    )
    write_json(json, {name: counts[name] for name in ("queries", "solutions", "refused")})
    if counts["refused"]:
        raise typer.Exit(INCOMPLETE)


def _import(importer: Importer, records: Iterator[Line], target: IO[str], console: Console) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in records:
        try:
            row = _row(importer, line)
        except BadQueryError as error:
            counts["refused"] += 1
            words = f"line {line.number}: {error}"
            console.print(words, style="red", soft_wrap=True, markup=False, highlight=False)
        else:
            write_row(target, row)
            counts["queries"] += 1
            counts["solutions"] += "solution" in row["reference"]
    return counts


def _row(importer: Importer, line: Line) -> dict[str, Any]:
    """Returns the row of a record, good for every command that takes queries."""
    row = importer(line.row(MOST_RECORD_BYTES), line.number)
    Query.from_row(row)
    size = len(json_module.dumps(row, ensure_ascii=False).encode())
    if size > MAX_ROW_BYTES:
        raise BadQueryError("tests", f"{size:,} bytes", f"a query has at most {MAX_ROW_BYTES:,}")
    return row


def _records(file: str) -> Iterator[Line]:
    """Yields the records of JSON lines, or of one JSON array: then their numbers are places in it."""
    lines = read_lines(file)
    for line in lines:
        if line.number == 1 and line.data.lstrip()[:1] == b"[":
            text = b"".join([line.data, *(other.data for other in lines)])
            found = parse(text, MOST_RECORD_BYTES)
            items = found if isinstance(found, list) else []
            yield from (Line(n, json_module.dumps(item).encode()) for n, item in enumerate(items, start=1))
        else:
            yield line
