"""Reports of figures, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adaqueue.adapters.reports.machine import machine

__all__ = ["machine", "write_report"]


def write_report(
    folder: Path, figures: Mapping[str, Any], comparison: Sequence[Mapping[str, Any]] = ()
) -> Path:
    """Writes index.html, report.md, report.json and drawings into a folder, and returns the page.

    Args:
        folder: made if it does not exist; files of these names in it are replaced.
        figures: of one set or of several, as `adaqueue evaluate --json` writes them.
        comparison: differences to before, each with `suite`, `figure`, `before`, `now`, `low`, `high`,
            `is_regression` and `words`; regressions come first.

    Raises:
        UnavailableError: the folder cannot be written.
    """
    from adaqueue.adapters.reports.folder import write

    return write(folder, figures, comparison)
