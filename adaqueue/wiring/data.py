"""Data sets and logs of others, read without a system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adaqueue.core.importers import Hub
from adaqueue.errors import BadQueryError


def hub_records(hub: Hub, split: str, revision: str | None) -> Iterator[dict[str, Any]]:
    """Yields the records of a published set; see `datasets_hub.hub_records`."""
    from adaqueue.adapters import datasets_hub

    return datasets_hub.hub_records(hub, split, revision)


def table_records(file: str) -> Iterator[dict[str, Any]] | None:
    """Yields the records of a parquet or CSV file; None where the file is neither."""
    from adaqueue.adapters import datasets_hub

    if file.endswith(".parquet"):
        return datasets_hub.parquet_records(file)
    return datasets_hub.csv_records(file) if file.endswith(".csv") else None


def inspect_samples(file: str) -> Iterator[dict[str, Any] | BadQueryError]:
    """Yields the samples of a log of inspect_ai, or why one is refused; see `inspect_files`."""
    from adaqueue.adapters import inspect_files

    return inspect_files.inspect_samples(file)
