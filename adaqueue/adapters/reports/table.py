"""A table of text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text.

    Attributes:
        caption: what the table says.
        columns: headings, at least one.
        rows: of as many cells; the first of each is its heading.
        note: how to read it; may be empty.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
