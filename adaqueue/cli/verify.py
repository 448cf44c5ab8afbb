"""`verify code` and `verify math`: verdicts for files of programs and of answers."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import IO, Annotated, Any

import typer
from rich.console import Console

from adaqueue import wiring
from adaqueue.adapters import code_rows, math_rows
from adaqueue.adapters.code_rows import CodeRows
from adaqueue.adapters.in_order import in_order
from adaqueue.cli.files import writer
from adaqueue.cli.lines import answered, count_lines, read_lines, shown, write_row
from adaqueue.cli.options import Config, JsonFile, check_writable, write_json
from adaqueue.cli.sandboxing import ComparisonChoice, Sandboxes, Unisolated, sandbox_settings, threads
from adaqueue.errors import SettingsError
from adaqueue.wiring.verification import own_math, own_sandboxes

INCOMPLETE = 3
_WORDS = {True: "equal", False: "different", None: "undecided"}
File = Annotated[str, typer.Argument(help="JSON lines; .gz is read too; - is stdin.")]
Output = Annotated[
    str, typer.Option(help="Write the lines with their verdicts here, in input order; - is stdout.")
]


def code(
    file: File,
    output: Output = "-",
    sandboxes: Sandboxes = None,
    comparison: ComparisonChoice = None,
    every_test: Annotated[
        bool,
        typer.Option("--every-test/--first-failure", help="Run every test, or none after the first failed."),
    ] = True,
    run_code_without_isolation: Unisolated = False,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    """Run programs against their tests, in sandboxes of the command's own; no system need be up.

    A line holds {"code", "reference"}, where code is a whole program, or {"response", "prompt"?,
    "reference"}, where response is a model's answer: its last fenced block counts; without a fence it
    completes the prompt. The reference is a code query's: {"style": "stdin", "tests": [[input, output],
    ...]}, {"style": "function", "entry": name, "tests": [{"args": [...], "expected": ...}, ...]} or
    {"style": "assert", "entry": name, "check": source of check(candidate)}. A line's own "limits":
    {"cpu_seconds", "memory_mebibytes", "output_bytes"} take the place of the settings'.

    Each line comes back, in order, with "verdict" (passed, wrong_answer, runtime_error, timeout,
    memory_limit, output_limit, sandbox_violation; not_verified: it could not be told), "tests" (a verdict
    for each that was run), "seconds", "tier" (A, B or none: the isolation) and "route" (the style; the
    reason of not_verified). A bad line comes back with verdict null and an "error".

    Exit status 3: some line was refused, or could not be verified.
    """
    _check_targets(output, json)
    settings = sandbox_settings(config, sandboxes, comparison, run_code_without_isolation)
    started = time.monotonic()
    with own_sandboxes(settings) as verifier, writer(output) as target:
        work = partial(answered, CodeRows(verifier, every_test).verified, code_rows.REFUSED)
        rows = in_order(work, read_lines(file), threads(settings))
        verdicts = _write(target, shown(rows, "verifying", count_lines(file)), "verdict")
    _finish(verdicts, time.monotonic() - started, json)


def math(
    file: File,
    output: Output = "-",
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes that compare [default: cores].", show_default=False),
    ] = None,
    paper_exact: Annotated[
        bool, typer.Option("--paper-exact", help="Equal text alone is a yes; the judge decides the rest.")
    ] = False,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    r"""Compare models' final answers with the right ones; no system need be up.

    A line holds {"gold": the right answer, "response": what the model wrote}, and perhaps "prompt", which a
    judge gets to see. The last balanced \boxed{} of the response is its answer.

    Each line comes back, in order, with "equal" (true, false, or null: only a judge could tell, and the
    settings name none), "route" (what decided: string, number, unit, symbolic, judge, ...) and "seconds". A
    bad line comes back with equal null and an "error".

    Exit status 3: some line was refused.
    """
    _check_targets(output, json)
    settings = wiring.load_settings(config)
    count = workers or len(os.sched_getaffinity(0))
    started = time.monotonic()
    with own_math(settings, count, paper_exact=paper_exact) as rows, writer(output) as target:
        found = in_order(partial(answered, rows.verified, math_rows.REFUSED), read_lines(file), 2 * count)
        verdicts = _write(target, shown(found, "comparing", count_lines(file)), "equal")
    _finish(verdicts, time.monotonic() - started, json)


def _check_targets(output: str, json: str | None) -> None:
    if output == "-" and json == "-":
        raise SettingsError("json: '-': the lines go to stdout: name a file, or give --output FILE")
    for target in (output, json):
        check_writable(target)


def _write(target: IO[str], rows: Iterable[Mapping[str, Any]], kind: str) -> Counter[str]:
    """Writes the rows; returns how often each verdict was given, `refused` for a bad row."""
    verdicts: Counter[str] = Counter()
    for row in rows:
        write_row(target, row)
        verdicts["refused" if "error" in row and row[kind] is None else _WORDS.get(row[kind], row[kind])] += 1
    return verdicts


def _finish(verdicts: Counter[str], seconds: float, json: str | None) -> None:
    lines = verdicts.total()
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts.most_common())
    pace = f"{seconds:.1f} s, {lines / seconds:.1f} a second"
    Console(stderr=True).print(f"{lines:,} lines in {pace}: {counts or 'nothing to do'}", soft_wrap=True)
    figures = {"lines": lines, "refused": verdicts["refused"], "verdicts": dict(verdicts)}
    write_json(json, {**figures, "seconds": round(seconds, 3)})
    if verdicts["refused"] or verdicts["not_verified"]:
        raise typer.Exit(INCOMPLETE)
