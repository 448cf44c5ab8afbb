"""Records of others' files and sets, one after another, each with its number."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from adaqueue.cli.files import parse
from adaqueue.cli.lines import Line, read_lines
from adaqueue.errors import BadQueryError
from adaqueue.wiring.data import table_records

MOST_RECORD_BYTES = 1 << 30
WINDOW = 1_000
"""Records among which a random one is next."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        number: of the record in its file, or of its line, from 1.
        content: its fields, or the line that has them, or why they could not be read.
        file: where it stands; empty where there is but one place.
    """

    number: int
    content: dict[str, Any] | Line | BadQueryError
    file: str = ""

    def fields(self) -> dict[str, Any]:
        """Returns its fields; raises BadQueryError if there are none."""
        if isinstance(self.content, BadQueryError):
            raise self.content
        return self.content.row(MOST_RECORD_BYTES) if isinstance(self.content, Line) else self.content

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return f"{self.file}: line {self.number}" if self.file else f"line {self.number}"


def file_records(files: list[str]) -> Iterator[Record]:
    """Yields the records of files: JSON lines, one JSON array, parquet or CSV."""
    for file in files:
        name = file if len(files) > 1 else ""
        table = table_records(file)
        if table is None:
            yield from (Record(line.number, line, name) for line in _json_records(file))
        else:
            yield from numbered(table, name)


def numbered(records: Iterable[dict[str, Any] | BadQueryError], file: str = "") -> Iterator[Record]:
    """Yields records with their numbers."""
    return (Record(number, record, file) for number, record in enumerate(records, start=1))


def mixed(items: Iterable[Item], seed: int) -> Iterator[Item]:
    """Yields the items in a random order: each is drawn from a window of 1,000 that moves over them."""
    draw = random.Random(seed)  # noqa: S311 - an order, no secret
    window: list[Item] = []
    for item in items:
        if len(window) < WINDOW:
            window.append(item)
        else:
            place = draw.randrange(WINDOW)
            yield window[place]
            window[place] = item
    draw.shuffle(window)
    yield from window


def _json_records(file: str) -> Iterator[Line]:
    """Yields the records of JSON lines, or of one JSON array: then their numbers are places in it."""
    lines = read_lines(file)
    for line in lines:
        if line.number == 1 and line.data.lstrip()[:1] == b"[":
            text = b"".join([line.data, *(other.data for other in lines)])
            found = parse(text, MOST_RECORD_BYTES)
            items = found if isinstance(found, list) else []
            yield from (Line(n, json.dumps(item).encode()) for n, item in enumerate(items, start=1))
        else:
            yield line
