"""Where each figure comes from, and how to make it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adaqueue.adapters.reports.sets import Figures

COUNTS = {
    "queries": "queries",
    "refused": "rows refused",
    "groups": "groups of queries",
    "samples": "samples of each query",
    "folds": "folds",
    "seeds": "ways to split, or seeds",
    "seed": "seed of the resamples",
    "features": "the probe reads",
    "cut": "prompts cut",
    "seconds": "seconds",
}


def sources_of(figures: Figures) -> Iterator[tuple[str, str]]:
    """Yields (what, which): the data and its digest, counts, seeds, versions, machine and command."""
    source = figures.get("source") or {}
    if source:
        yield "data", _data(source)
    for key, said in COUNTS.items():
        if figures.get(key) is not None:
            yield said, _plain(figures[key])
    if figures.get("metadata"):
        yield "metadata read", ", ".join(map(str, figures["metadata"]))
    for key in ("versions", "machine"):
        if figures.get(key):
            yield key, _pairs(figures[key])
    if figures.get("command"):
        yield "command", str(figures["command"])


def _data(source: Mapping[str, Any]) -> str:
    if source.get("sha256") is None:
        return f"{source.get('file')}, read once: no digest"
    return f"{source.get('file')}, {source.get('bytes', 0):,} bytes, SHA-256 {source['sha256']}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in values.items())


def _plain(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
