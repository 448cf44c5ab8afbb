"""Options of the commands that run sandboxes of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from adaqueue import wiring

THREADS_PER_SANDBOX = 2

Sandboxes = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="Processes that run programs [default: cores].", show_default=False),
]
ComparisonChoice = Annotated[
    Literal["strict", "taco"] | None,
    typer.Option(
        help="How outputs are compared; taco: as that data set's own, laxer script does [default: strict].",
        show_default=False,
    ),
]
Unisolated = Annotated[
    bool,
    typer.Option(
        "--run-code-without-isolation", help="Go on where this machine can isolate nothing (tier none)."
    ),
]


def sandbox_settings(
    config: Path | None, sandboxes: int | None, comparison: str | None, unisolated: bool
) -> wiring.Settings:
    """Returns settings with a command's options in them; a sandbox for each core where none is asked for."""
    cores = len(os.sched_getaffinity(0))
    return wiring.load_settings(
        config,
        sandboxes=sandboxes or min(cores, 256),
        test_comparison=comparison,
        run_code_without_isolation=unisolated or None,
    )


def threads(settings: wiring.Settings) -> int:
    """Returns how many programs are on their way at once: while one is compared, another runs."""
    return settings.sandboxes * THREADS_PER_SANDBOX
