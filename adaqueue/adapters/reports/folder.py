"""A folder with a report: the page, the same as Markdown and data, and its drawings as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adaqueue.adapters.reports.content import Content, content_of
from adaqueue.adapters.reports.drawing import files
from adaqueue.adapters.reports.markdown import markdown
from adaqueue.adapters.reports.page import page
from adaqueue.errors import UnavailableError

TITLE = "What adaptive budgets are worth"


def write(folder: Path, data: Mapping[str, Any], comparison: Sequence[Mapping[str, Any]]) -> Path:
    """Writes a report into a folder, which is made if need be, and returns its page.

    Raises:
        UnavailableError: the folder cannot be written.
    """
    content = content_of(data, comparison)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        (folder / "report.md").write_text(markdown(content, TITLE))
        _drawings(folder, content)
        (folder / "index.html").write_text(page(content, TITLE))
    except OSError as error:
        raise UnavailableError(f"{folder}: {error}") from error
    return folder / "index.html"


def _drawings(folder: Path, content: Content) -> None:
    for section in content.sections:
        for figure in section.figures:
            for suffix, drawn in files(figure).items():
                (folder / f"{section.slug}-{figure.name}.{suffix}").write_bytes(drawn)
