"""`evaluate`: every policy on files of recorded outcomes, without a system."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from adaqueue import wiring
from adaqueue.cli.evaluation_report import as_data, show
from adaqueue.cli.options import Config, DataFolder, JsonFile, average_budgets, check_writable, write_json
from adaqueue.cli.provenance import command_line, source, versions
from adaqueue.cli.recorded_rows import Rows, read_rows, say
from adaqueue.cli.reporting import ReportFolder, check_report, save_report
from adaqueue.core.evaluation import Progress
from adaqueue.errors import AdaQueueError, SettingsError
from adaqueue.flows.evaluate import Options, Workshop, report_on
from adaqueue.flows.evaluate_training import Training
from adaqueue.wiring.evaluation import TEXT, trained_workshop, workshop
from adaqueue.wiring.reports import machine

INCOMPLETE = 3


def evaluate(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Recorded outcomes, JSON lines; .gz is read too.")
    ],
    budgets: Annotated[
        str | None,
        typer.Option(
            help="Average budgets, as in 1,2,4,8 [default: powers of 2 up to half of the recorded samples].",
            show_default=False,
        ),
    ] = None,
    features: Annotated[
        str,
        typer.Option(help="What the probe reads: text, or the folder of a Hugging Face model (its states)."),
    ] = "text",
    probe: Annotated[
        str | None,
        typer.Option(
            help="A registered probe of the system that is up, as `adaqueue probe list` names it, decides; "
            "what taught it must not be in the files.",
            show_default=False,
        ),
    ] = None,
    metadata: Annotated[
        str,
        typer.Option(
            help="Pieces of the rows' metadata that the probe reads too, as in level,subject: only what is "
            "known before sampling."
        ),
    ] = "",
    folds: Annotated[int, typer.Option(min=2, max=100, help="Parts into which queries are split.")] = 5,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000,
            help="Ways to split them [default: 10, fewer beyond 2,000 queries].",
            show_default=False,
        ),
    ] = None,
    train_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Fit probe and rule on this file's outcomes too, and show what they are worth here; may be "
            "given several times.",
            show_default=False,
        ),
    ] = None,
    optimism: Annotated[
        bool,
        typer.Option(
            "--optimism", help="Show how much better deciding on the draws that score would have looked."
        ),
    ] = False,
    data_folder: DataFolder = None,
    config: Config = None,
    json: JsonFile = None,
    report_folder: ReportFolder = None,
) -> None:
    """Show what every policy would have reached on recorded samples, with probes that never saw the queries.

    A row holds {"id", "domain", "prompt"} and one of {"n", "successes"}, {"rewards": [0, 1, ...]} and
    {"samples": [{"text", "reward"}]}; "group" keeps rows on one side of every split, else near duplicates are
    kept together. Rows of two decoders hold {"weak": {...}, "strong": {...}} instead. The tables give the
    samples that each policy needs for the success of uniform best-of-B, as a share of uniform's; of two
    decoders, the strong calls for the reward of random routing.

    Exit status 3: some row or file was refused; the rest was evaluated.
    """
    check_writable(json)
    check_report(report_folder)
    names = tuple(name for name in metadata.split(",") if name)
    chosen = None if budgets is None else average_budgets(budgets)
    options = Options(chosen, folds, seeds, names, optimism)
    if probe is not None and (features != TEXT or train_on):
        raise SettingsError("probe: it reads what it was taught to: leave out --features and --train-on")
    maker = workshop(features)
    if probe is not None:
        maker = trained_workshop(wiring.load_settings(config, data_folder=data_folder), probe)
    named = _named(files)
    training, incomplete = _training(train_on or [], Console(stderr=True))
    read = {name: read_rows(path) for name, path in named.items()}
    found = {
        name: _evaluated(name, rows, maker, options, training, json != "-") for name, rows in read.items()
    }
    setting = {
        "features": features,
        "trained_probe": probe,
        "metadata": list(options.metadata),
        "folds": folds,
        "machine": machine(),
        "versions": versions(),
        "command": command_line(),
    }
    sets = {name: {**data, **setting, "source": source(named[name])} for name, data in found.items()}
    figures = next(iter(sets.values())) if len(sets) == 1 else {"sets": sets}
    write_json(json, figures)
    save_report(report_folder, figures)
    if incomplete or any(data["refused"] or "error" in data for data in sets.values()):
        raise typer.Exit(INCOMPLETE)


def _named(files: Sequence[str]) -> dict[str, str]:
    """The files by name; by path where two have one name."""
    names = [Path(file).name for file in files]
    return {name if names.count(name) == 1 else file: file for name, file in zip(names, files, strict=True)}


def _training(files: Sequence[str], console: Console) -> tuple[Training | None, bool]:
    """Returns the rows to train on, and whether some were refused."""
    if not files:
        return None, False
    named = _named(files)
    read = {name: read_rows(path) for name, path in named.items()}
    for name, rows in read.items():
        rows.complain(name, console)
        rows.check(f"train-on: {name}: ")
    queries = [query for rows in read.values() for query in rows.queries]
    return Training(tuple(named), queries), any(rows.refusals for rows in read.values())


def _evaluated(
    name: str, rows: Rows, maker: Workshop, options: Options, training: Training | None, shown: bool
) -> dict[str, Any]:
    """Returns a set's figures, or why it has none, after saying so."""
    started, console = time.monotonic(), Console(stderr=True)
    rows.complain(name, console)
    refused = len(rows.refusals)
    try:
        rows.check()
        with _progress(console) as on_progress:
            report = report_on(rows.queries, maker, options, on_progress, training)
    except AdaQueueError as error:
        say(console, f"{name}: {error}")
        return {"queries": len(rows.queries), "refused": refused, "error": str(error)}
    seconds = round(time.monotonic() - started, 1)
    if shown:
        show(name, report, seconds, Console())
    return {**as_data(report), "refused": refused, "seconds": seconds}


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading")
        yield lambda words, done, total: bar.update(task, description=words, completed=done, total=total)
