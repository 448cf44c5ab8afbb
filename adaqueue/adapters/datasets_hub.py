"""Records of published sets: from huggingface.co by `datasets`, streamed, or from files of any usual kind."""

from __future__ import annotations

import csv
import datetime
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adaqueue.core.importers import Hub
from adaqueue.errors import SettingsError, UnavailableError

REMEDY = "`pip install 'adaqueue[data]'` brings the package `datasets`"
FILES = "JSON lines, .parquet or .csv"
BATCH = 100


def hub_records(hub: Hub, split: str, revision: str | None) -> Iterator[dict[str, Any]]:
    """Yields the records of a set as they arrive; no more of it is fetched than is read.

    The code of a repository is never run. A set that must be agreed to needs `HF_TOKEN`.

    Args:
        hub: where it lies; its name may be a local folder of the same shape.
        split: its name.
        revision: branch, tag or commit; None: the newest.

    Raises:
        SettingsError: `datasets` is not installed.
        UnavailableError: the set cannot be reached, or is not as described.
    """
    if importlib.util.find_spec("datasets") is None:
        raise SettingsError(f"a data set without a file comes from huggingface.co: {REMEDY}, or name a file")
    from datasets.exceptions import DatasetsError

    try:
        for subset in hub.subsets:
            for record in _streamed(hub, subset, split, revision):
                yield _plain(record)
    except RuntimeError as error:
        remedy = f"its code is not run: download its files and name them, {FILES}"
        raise UnavailableError(f"{hub.name}: {error}: {remedy}") from error
    # what the hub's own client raises has no root of its own but OSError
    except (DatasetsError, OSError, ValueError, KeyError) as error:
        raise UnavailableError(f"{hub.name}: {error}") from error


def _streamed(hub: Hub, subset: str | None, split: str, revision: str | None) -> Iterator[dict[str, Any]]:
    from datasets import load_dataset

    if hub.files is None:
        found = load_dataset(hub.name, subset, split=split, revision=revision, streaming=True)
    else:
        pattern = f"{_root(hub.name, revision)}/{hub.files.format(split=split)}"
        found = load_dataset("json", data_files={split: pattern}, split=split, streaming=True)
    yield from found


def _root(name: str, revision: str | None) -> str:
    if Path(name).is_dir():
        return name
    return f"hf://datasets/{name}" if revision is None else f"hf://datasets/{name}@{revision}"


def parquet_records(file: str) -> Iterator[dict[str, Any]]:
    """Yields the records of a parquet file, batch by batch.

    Raises:
        SettingsError: `pyarrow` is not installed.
        UnavailableError: the file cannot be read.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise SettingsError(f"{file}: parquet is read by pyarrow: {REMEDY}, and pyarrow with it")
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(BATCH):
                yield from (_plain(record) for record in batch.to_pylist())
    except UnicodeDecodeError as error:
        raise UnavailableError(f"{file}: {error}: write its text as UTF-8, or name another file") from error
    except (OSError, ArrowException) as error:
        raise UnavailableError(f"{file}: {error}") from error


def csv_records(file: str) -> Iterator[dict[str, Any]]:
    """Yields the records of a CSV file whose first line names the fields; every value is text.

    Raises:
        UnavailableError: the file cannot be read, or a line has more fields than the first.
    """
    limit = csv.field_size_limit(1 << 30)
    try:
        with Path(file).open(encoding="utf-8", newline="") as source:
            for row in csv.DictReader(source, strict=True):
                if None in row:
                    raise UnavailableError(f"{file}: a record has more fields than the first line names")
                yield dict(row)
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise UnavailableError(f"{file}: {error}") from error
    finally:
        csv.field_size_limit(limit)


def _plain(value: Any) -> Any:
    """Returns a record in JSON's own kinds: times become text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.datetime) else value
