"""`twin`: what every policy reaches on the paper's populations, without a model."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from adaqueue.cli.options import JsonFile, check_writable, write_json
from adaqueue.cli.twin_figures import DOMAINS
from adaqueue.cli.twin_tables import show
from adaqueue.errors import SettingsError


def twin(
    domain: Annotated[str, typer.Argument(help=f"{', '.join(list(DOMAINS)[:-1])} or {list(DOMAINS)[-1]}.")],
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="Draws of queries to average over.")] = 10,
    json: JsonFile = None,
) -> None:
    """Show what every policy reaches on the paper's queries, in seconds and without a model.

    Queries come from a population rebuilt from the paper's Table 1, with a probe of the paper's loss; for
    chat, where the paper gives none, from its Figure 4. The tables give the samples each policy needs for
    uniform best-of-B's success, as a share of uniform's; for routing, the calls of the strong decoder for
    random routing's reward.
    """
    if domain not in DOMAINS:
        raise SettingsError(f"twin: {domain!r}: known populations: {', '.join(DOMAINS)}")
    check_writable(json)
    started = time.monotonic()
    found = {"domain": domain, "seeds": seeds, **DOMAINS[domain](domain, seeds, _shown)}
    found["seconds"] = round(time.monotonic() - started, 1)
    if json != "-":
        show(found, Console())
    write_json(json, found)


def _shown(items: Iterable[Any], words: str) -> Iterable[Any]:
    return track(list(items), words, console=Console(stderr=True), transient=True)
