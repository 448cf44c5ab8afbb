"""Queries from a file, answers to a file."""

from __future__ import annotations

import gzip
import json
import math
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from adaqueue.core.query import MAX_ROW_BYTES, Query
from adaqueue.core.records import Answer
from adaqueue.errors import AdaQueueError, BadQueryError, QueryFailedError, UnavailableError

OUTCOMES = {
    "DeadLetteredError": "dead_lettered",
    "QueryCancelledError": "cancelled",
    "QueryExpiredError": "expired",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file of queries.

    Attributes:
        line: counts from 1.
        query: with an id: the row's own, else its line number; None if the row is refused.
        refusal: why it is refused; None if it is not.
    """

    line: int
    query: Query | None
    refusal: BadQueryError | None


def read_bytes(path: Path) -> bytes:
    """Returns what a file holds, decompressed if it is named `.gz`.

    Raises:
        UnavailableError: the file cannot be read.
    """
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UnavailableError(f"{path}: {error}") from error


def read_rows(data: bytes) -> list[Row]:
    """Returns a row for each line that is not blank; a bad row says so and stops nothing.

    Args:
        data: JSON lines.
    """
    lines = data.split(b"\n")
    return [_row(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _row(number: int, line: bytes) -> Row:
    try:
        query = Query.from_row(parse(line))
    except BadQueryError as error:
        return Row(number, None, error)
    return Row(number, query if query.id is not None else replace(query, id=f"line-{number}"), None)


def parse(line: bytes, most_bytes: int = MAX_ROW_BYTES) -> object:
    """Returns what a line of JSON says.

    Args:
        line: the text.
        most_bytes: a longer one is refused.

    Raises:
        BadQueryError: it is no JSON, too long, or holds a number that is not finite.
    """
    if len(line) > most_bytes:
        raise BadQueryError("row", f"{len(line):,} bytes", f"give at most {most_bytes:,}")
    try:
        return json.loads(line.decode(), parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise BadQueryError("row", line[:80].decode(errors="replace"), f"is no JSON: {error}") from None


def _finite(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise BadQueryError("number", word, "is not a finite number")
    return value


def answer_row(query_id: str, outcome: Answer | AdaQueueError) -> dict[str, Any]:
    """Returns one line of output."""
    if isinstance(outcome, Answer):
        return {
            "id": query_id,
            "text": outcome.text,
            "reward": outcome.reward,
            "verified": outcome.verified,
            "budget": outcome.budget,
            "samples_used": outcome.samples_used,
            "abstained": outcome.abstained,
            "outcome": outcome.outcome,
        }
    empty = dict.fromkeys(("text", "reward", "verified", "budget", "samples_used", "abstained"))
    failed = isinstance(outcome, QueryFailedError)
    return {"id": query_id, **empty, "outcome": OUTCOMES[type(outcome).__name__] if failed else "refused"}


@contextmanager
def writer(target: str) -> Iterator[IO[str]]:
    """Yields a file that takes its name only when it is whole; `-` is stdout."""
    if target == "-":
        yield sys.stdout
        return
    path = Path(target)
    new = path.with_name(f".{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        yield file
    new.replace(path)
