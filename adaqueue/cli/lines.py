"""Files of JSON lines that are worked through one by one: read, shown, written, however long they are."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeVar, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from adaqueue.cli.files import parse
from adaqueue.core.query import MAX_ROW_BYTES
from adaqueue.errors import BadQueryError, UnavailableError

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file.

    Attributes:
        number: counts from 1.
        data: its bytes.
    """

    number: int
    data: bytes

    def row(self, most_bytes: int = MAX_ROW_BYTES) -> dict[str, Any]:
        """Returns the JSON object that it holds; raises BadQueryError if it holds none, or is too long."""
        found = parse(self.data, most_bytes)
        if not isinstance(found, dict):
            raise BadQueryError("row", found, "give a JSON object, {...}")
        return found


def read_lines(file: str) -> Iterator[Line]:
    """Yields the lines that are not blank, as they are needed.

    Args:
        file: its path, decompressed if it is named `.gz`; `-` is stdin.

    Raises:
        UnavailableError: the file cannot be read.
    """
    try:
        with _open(file) as source:
            for number, data in enumerate(source, start=1):
                if data.strip():
                    yield Line(number, data)
    except (OSError, EOFError, zlib.error) as error:
        raise UnavailableError(f"{file}: {error}") from error


def count_lines(file: str) -> int | None:
    """Returns how many lines there will be; None where they can be read only once."""
    return sum(1 for _ in read_lines(file)) if Path(file).is_file() else None


def shown(items: Iterable[Item], words: str, total: int | None) -> Iterator[Item]:
    """Yields the items, with a bar on stderr while a person looks."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(items, total=total, description=words)


def write_row(file: IO[str], row: Mapping[str, Any]) -> None:
    """Writes a row as one line."""
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot hold and JSON can
        text = json.dumps(row)
    file.write(text + "\n")
    file.flush()


def answered(
    work: Callable[[dict[str, Any]], dict[str, Any]], refused: Mapping[str, Any], line: Line
) -> dict[str, Any]:
    """Returns what `work` makes of a line's row; a bad row gets `refused` and the reason in its place."""
    row: dict[str, Any] = {}
    try:
        row = line.row()
        return work(row)
    except BadQueryError as error:
        return {**row, **refused, "error": f"line {line.number}: {error}"}


@contextmanager
def _open(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
    elif file.endswith(".gz"):
        with gzip.open(file, "rb") as source:
            yield cast(BinaryIO, source)
    else:
        with Path(file).open("rb") as source:
            yield source
