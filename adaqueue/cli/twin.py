"""`twin`: what every policy reaches on the paper's populations, without a model."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from adaqueue.cli.options import JsonFile, check_writable, write_json
from adaqueue.cli.provenance import command_line, versions
from adaqueue.cli.reporting import ReportFolder, check_report, save_report
from adaqueue.cli.twin_figures import DOMAINS
from adaqueue.cli.twin_tables import show
from adaqueue.errors import SettingsError
from adaqueue.wiring.reports import machine

ALL = "all"


def twin(
    domain: Annotated[str, typer.Argument(help=f"{', '.join(DOMAINS)}, or all of them.")],
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="Draws of queries to average over.")] = 10,
    json: JsonFile = None,
    report_folder: ReportFolder = None,
) -> None:
    """Show what every policy reaches on the paper's queries, in seconds and without a model.

    Queries come from a population rebuilt from the paper's Table 1, with a probe of the paper's loss; for
    chat, where the paper gives none, from its Figure 4. The tables give the samples each policy needs for
    uniform best-of-B's success, as a share of uniform's; for routing, the calls of the strong decoder for
    random routing's reward.
    """
    if domain not in (*DOMAINS, ALL):
        raise SettingsError(f"twin: {domain!r}: known populations: {', '.join(DOMAINS)}; or {ALL}")
    check_writable(json)
    check_report(report_folder)
    found = {name: _found(name, seeds) for name in (DOMAINS if domain == ALL else (domain,))}
    if json != "-":
        for population in found.values():
            show(population, Console())
    figures = {"sets": found} if domain == ALL else found[domain]
    write_json(json, figures)
    save_report(report_folder, figures)


def _found(domain: str, seeds: int) -> dict[str, Any]:
    started = time.monotonic()
    figures = DOMAINS[domain](domain, seeds, _shown)
    about = {"versions": versions(), "machine": machine(), "command": command_line()}
    seconds = round(time.monotonic() - started, 1)
    return {"domain": domain, "seeds": seeds, **figures, **about, "seconds": seconds}


def _shown(items: Iterable[Any], words: str) -> Iterable[Any]:
    return track(list(items), words, console=Console(stderr=True), transient=True)
