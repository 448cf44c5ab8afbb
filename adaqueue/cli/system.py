"""`up`, `down`, `status`: the whole system on this machine."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from adaqueue import wiring
from adaqueue.cli.options import Config, DataFolder, JsonFile, write_json


def up(
    data_folder: DataFolder = None,
    engine: Annotated[
        str | None,
        typer.Option(help="transformers, vllm or replay [default: transformers].", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Folder or hub name [default: the shipped small model].", show_default=False),
    ] = None,
    samplers: Annotated[
        int | None,
        typer.Option(help="Samplers, each with a vLLM server of its own [default: 1].", show_default=False),
    ] = None,
    verifiers: Annotated[
        int | None,
        typer.Option(help="Processes that verify what was drawn [default: 1].", show_default=False),
    ] = None,
    sandboxes: Annotated[
        int | None,
        typer.Option(help="Processes that run tests of code [default: 2].", show_default=False),
    ] = None,
    config: Config = None,
    parent_pid: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run everything on this machine, supervised, until Ctrl-C or SIGTERM.

    Postgres and Redis are embedded in the data folder unless ADAQUEUE_REDIS_URL and ADAQUEUE_DATABASE_URL are
    set. What crashes is started again; each process has its own log in the folder's `logs`.
    """
    logging.getLogger().setLevel(logging.INFO)
    settings = wiring.load_settings(
        config,
        data_folder=data_folder,
        engine=engine,
        model=model,
        samplers=samplers,
        verifiers=verifiers,
        sandboxes=sandboxes,
    )
    console = Console(stderr=True)

    def ready() -> None:
        console.print(f"up in {settings.data_folder}; Ctrl-C or `adaqueue down` stops it", soft_wrap=True)

    wiring.up(settings, wiring.Manners(parent_pid, ready, lambda words: console.print(words, soft_wrap=True)))


def down(data_folder: DataFolder = None, config: Config = None) -> None:
    """Stop the system; harmless if none is up. Queries it has not answered stay in the ledger."""
    settings = wiring.load_settings(config, data_folder=data_folder)
    Console(stderr=True).print(str(wiring.take_down(settings)))


def status(data_folder: DataFolder = None, config: Config = None, json: JsonFile = None) -> None:
    """Show every process of the system; exit status 1 if it is not up."""
    settings = wiring.load_settings(config, data_folder=data_folder)
    seen = wiring.status(settings)
    if json is not None:
        write_json(json, _plain(asdict(seen)))
    else:
        _show(seen.supervisor_pid, [asdict(process) for process in seen.processes])
    if seen.supervisor_pid is None:
        raise typer.Exit(1)


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    processes = [{**process, "log": str(process["log"])} for process in data["processes"]]
    return {**data, "folder": str(data["folder"]), "processes": processes}


def _show(supervisor_pid: int | None, processes: list[dict[str, Any]]) -> None:
    console = Console()
    console.print("not up" if supervisor_pid is None else f"up, supervisor pid {supervisor_pid}")
    if not processes:
        return
    table = Table("process", "state", "pid", "up for", "restarts", "last exit", "log")
    for process in processes:
        uptime = process["uptime_seconds"]
        table.add_row(
            process["name"],
            process["state"],
            str(process["pid"] or ""),
            "" if uptime is None else f"{uptime:.0f} s",
            str(process["restarts"]),
            process["last_exit"],
            str(process["log"]),
        )
    console.print(table)
