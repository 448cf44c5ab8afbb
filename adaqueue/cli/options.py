"""Options that several commands share."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from adaqueue.errors import SettingsError, UnavailableError

DataFolder = Annotated[
    Path | None,
    typer.Option(
        help="Servers, logs and probes live here [default: ~/.local/share/adaqueue].", show_default=False
    ),
]
Config = Annotated[
    Path | None, typer.Option(help="TOML file of settings.", dir_okay=False, show_default=False)
]
AverageBudget = Annotated[
    float | None,
    typer.Option(help="Samples a query on average, B [default: 4].", show_default=False),
]
JsonFile = Annotated[
    str | None,
    typer.Option("--json", help="Write figures as JSON to this file; - is stdout.", show_default=False),
]


def average_budgets(given: str) -> tuple[int, ...]:
    """Returns the budgets of a list such as 1,2,4,8, increasing.

    Raises:
        SettingsError: it is no such list.
    """
    parts = [part.strip() for part in given.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise SettingsError(f"budgets: {given!r}: give whole numbers above 0, as in 1,2,4,8")
    return tuple(sorted({int(part) for part in parts}))


def write_json(target: str | None, data: Any) -> None:
    """Writes data as JSON to a file, or to stdout for `-`; None writes nothing."""
    if target is None:
        return
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        Path(target).write_text(text)


def check_writable(target: str | None) -> None:
    """Refuses a file that cannot be written, before any work is done for it.

    Raises:
        UnavailableError: names the file and the fault.
    """
    if target in (None, "-"):
        return
    folder = Path(str(target)).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UnavailableError(f"{target}: its folder does not exist or may not be written")
