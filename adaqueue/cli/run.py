"""`run`: one file through the whole system on this machine."""

from __future__ import annotations

import hashlib
import json as json_module
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from adaqueue import wiring
from adaqueue.cli.files import Row, answer_row, read_bytes, read_rows, writer
from adaqueue.cli.options import (
    AverageBudget,
    Config,
    DataFolder,
    JsonFile,
    check_writable,
    write_json,
)
from adaqueue.cli.progress import answer_all, starting, still_up
from adaqueue.client import AdaQueue
from adaqueue.client.receipts import Receipt
from adaqueue.core.query import Query
from adaqueue.core.specs import digest
from adaqueue.errors import AdaQueueError, BadQueryError, ConflictError, QueryFailedError

INCOMPLETE = 3


def run(
    file: Annotated[
        Path, typer.Argument(help="Queries, one JSON object a line; .gz is read too.", dir_okay=False)
    ],
    engine: Annotated[
        str | None,
        typer.Option(
            help="transformers and vllm draw from a model, replay draws the samples recorded in the file "
            "[default: transformers].",
            show_default=False,
        ),
    ] = None,
    average_budget: AverageBudget = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="sequential, uniform_early_stop, uniform, window or beta_window [default: sequential].",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Write answers here, in input order; - is stdout.", show_default=False)
    ] = None,
    data_folder: DataFolder = None,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    """Take one file through the whole system, from start to stop.

    Uses the system that is up, else one of its own that is deleted at the end. If it is interrupted, however
    hard, the same command goes on where it was: nothing is drawn twice.

    Exit status 3: some row was refused, or ended without an answer.
    """
    console = Console(stderr=True)
    given: dict[str, Any] = {
        "engine": engine,
        "average_budget": average_budget,
        "policy": policy,
        "data_folder": data_folder,
    }
    started = time.monotonic()
    for target in (output, json):
        check_writable(target)
    data = read_bytes(file)
    try:
        rows, outcomes = _answer(
            read_rows(data), _run_name(data, config, given), config, given, output, console
        )
    except KeyboardInterrupt:
        console.print("interrupted: the same command goes on where it was")
        raise
    figures = _figures(rows, outcomes, time.monotonic() - started)
    _report(rows, outcomes, figures, console)
    write_json(json, figures)
    if figures["refused"] or figures["failed"]:
        raise typer.Exit(INCOMPLETE)


def _answer(
    rows: list[Row],
    name: str,
    config: Path | None,
    given: dict[str, Any],
    output: str | None,
    console: Console,
) -> tuple[list[Row], dict[int, Any]]:
    """Takes the rows through the system; returns them, and how each line's query ended."""
    settings = wiring.load_settings(config, **given)
    with ExitStack() as stack:
        check = still_up(settings)
        if not wiring.is_up(settings):
            settings = _with_own_folder(settings, name, given["data_folder"])
            keep = given["data_folder"] is not None
            with starting(console) as on_progress:
                own = wiring.own_system(settings, on_progress, keep=keep, keep_unfinished=True)
                check = stack.enter_context(own)
        chosen = {**given, "data_folder": settings.data_folder}
        queue = stack.enter_context(AdaQueue.connect(run=name, batch=True, config=config, **chosen))
        rows, receipts = _give(queue, rows, console, check)
        outcomes = {line: _outcome(receipt) for line, receipt in receipts.items()}
        if output is not None:
            _write(output, rows, outcomes)
        queue.finish()
    return rows, outcomes


def _run_name(data: bytes, config: Path | None, given: dict[str, Any]) -> str:
    """The same file with the same settings continues the same run."""
    settings = wiring.load_settings(config, **given)
    content = hashlib.sha256(data).hexdigest()
    parts = ("engine", "model", "policy", "average_budget", "b_max", "temperature", "max_tokens")
    return f"run-{digest({'file': content, **{part: getattr(settings, part) for part in parts}})}"


def _with_own_folder(settings: wiring.Settings, name: str, data_folder: Path | None) -> wiring.Settings:
    if data_folder is not None:
        return settings
    own = Path(tempfile.gettempdir()) / f"adaqueue-{os.geteuid()}-{name}"
    return settings.model_copy(update={"data_folder": own})


def _give(
    queue: AdaQueue, rows: list[Row], console: Console, check: Callable[[], None]
) -> tuple[list[Row], dict[int, Receipt]]:
    """Gives the good rows; a row that the run's engine cannot serve becomes a refused one."""
    checked = [_check(queue, row) for row in rows]
    good = [(row.line, row.query) for row in checked if row.query is not None]
    receipts = answer_all(queue, [query for _, query in good], "answering", console, check)
    return checked, {line: receipt for (line, _), receipt in zip(good, receipts, strict=True)}


def _check(queue: AdaQueue, row: Row) -> Row:
    try:
        if row.query is not None:
            queue.check(row.query)
    except BadQueryError as error:
        return Row(row.line, None, error)
    return row


def _outcome(receipt: Receipt) -> Any:
    """The answer, or the error that stands for it."""
    try:
        return receipt.result()
    except (QueryFailedError, ConflictError) as error:
        return error


def _write(target: str, rows: list[Row], outcomes: dict[int, Any]) -> None:
    with writer(target) as file:
        for row in rows:
            if isinstance(row.query, Query):
                line = answer_row(str(row.query.id), outcomes[row.line])
                file.write(json_module.dumps(line, ensure_ascii=False) + "\n")


def _figures(rows: list[Row], outcomes: dict[int, Any], seconds: float) -> dict[str, Any]:
    answers = [outcome for outcome in outcomes.values() if not isinstance(outcome, AdaQueueError)]
    conflicts = sum(isinstance(outcome, ConflictError) for outcome in outcomes.values())
    return {
        "queries": len(outcomes),
        "answered": sum(not answer.abstained for answer in answers),
        "abstained": sum(answer.abstained for answer in answers),
        "verified": sum(answer.verified for answer in answers),
        "samples": sum(answer.samples_used for answer in answers),
        "refused": sum(row.refusal is not None for row in rows) + conflicts,
        "failed": len(outcomes) - len(answers) - conflicts,
        "seconds": round(seconds, 3),
    }


def _report(rows: list[Row], outcomes: dict[int, Any], figures: dict[str, Any], console: Console) -> None:
    for row in rows:
        fault = row.refusal or outcomes.get(row.line)
        if isinstance(fault, AdaQueueError):
            console.print(
                f"line {row.line}: {fault}", style="red", soft_wrap=True, markup=False, highlight=False
            )
    console.print(
        f"{figures['queries']} queries: {figures['answered']} answered, {figures['abstained']} abstained, "
        f"{figures['failed']} failed; {figures['refused']} rows refused; {figures['verified']} verified "
        f"right with {figures['samples']} samples in {figures['seconds']:.1f} s",
        soft_wrap=True,
    )
