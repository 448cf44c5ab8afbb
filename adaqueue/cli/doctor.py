"""`doctor`: what this machine can do, and what to do where it cannot."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adaqueue import wiring
from adaqueue.cli.options import Config, DataFolder, JsonFile, write_json


def doctor(data_folder: DataFolder = None, config: Config = None, json: JsonFile = None) -> None:
    """Say what this machine can do: servers, engine, vLLM, GPU, isolation of tests; each with its remedy.

    Exit status 1: something that these settings need is not in order.
    """
    findings = wiring.examine(wiring.load_settings(config, data_folder=data_folder))
    if json is None:
        table = Table("", "found", "remedy")
        for finding in findings:
            mark = "[green]ok[/]" if finding.good else "[red]fault[/]"
            table.add_row(f"{mark} {finding.subject}", escape(finding.says), escape(finding.remedy))
        Console().print(table)
    write_json(json, [asdict(finding) for finding in findings])
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)
