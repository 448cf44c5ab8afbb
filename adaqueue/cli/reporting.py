"""The option `--report`, which several commands share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from adaqueue.errors import UnavailableError
from adaqueue.wiring.reports import write_report

ReportFolder = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="Write a page of tables and figures into this folder; also as Markdown, JSON, SVG and PNG.",
        show_default=False,
    ),
]


def check_report(folder: Path | None) -> None:
    """Refuses a folder that cannot be written, before any work is done for it.

    Raises:
        UnavailableError: names the folder and the fault.
    """
    if folder is None:
        return
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise UnavailableError(f"{folder}: {nearest} is no folder, or may not be written")


def save_report(folder: Path | None, figures: Mapping[str, Any]) -> None:
    """Writes the report and says where it is; None writes nothing."""
    if folder is not None:
        page = write_report(folder, figures)
        Console(stderr=True).print(f"report: {page}", soft_wrap=True, markup=False, highlight=False)
