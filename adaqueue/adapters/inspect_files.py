"""Logs of inspect_ai on disk: `.json`, one object, and `.eval`, a zip archive of samples."""

from __future__ import annotations

import importlib.util
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from adaqueue.errors import SettingsError, UnavailableError

ZSTANDARD = 93
"""How newer versions compress the members of an archive; Python's zipfile learns it in 3.14."""
LOCAL_HEADER = struct.Struct("<26xHH")
REMEDY = "`pip install 'adaqueue[data]'`, or `inspect log convert --to json`"


def inspect_samples(file: str) -> Iterator[dict[str, Any]]:
    """Yields the samples of a log, each with `task` and `model` of its header.

    Args:
        file: an archive is read sample by sample, a `.json` at once.

    Raises:
        UnavailableError: the file cannot be read, or is no such log.
        SettingsError: what decompresses it is not installed.
    """
    try:
        yield from _archived(file) if zipfile.is_zipfile(file) else _written_out(file)
    except (OSError, zipfile.BadZipFile, ValueError, RecursionError, struct.error) as error:
        raise UnavailableError(f"{file}: {error}") from error


def _written_out(file: str) -> Iterator[dict[str, Any]]:
    log = json.loads(Path(file).read_bytes())
    if not isinstance(log, dict) or not isinstance(log.get("samples"), list):
        raise UnavailableError(f"{file}: no log of inspect_ai with samples")
    known = _header(log)
    yield from ({**known, **sample} for sample in log["samples"])


def _archived(file: str) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        head = members.get("header.json") or members.get("_journal/start.json")
        if head is None:
            raise UnavailableError(f"{file}: no log of inspect_ai: it has no header")
        known = _header(_member(file, archive, head))
        for name, member in members.items():
            if name.startswith("samples/") and name.endswith(".json"):
                yield {**known, **_member(file, archive, member)}


def _header(log: Mapping[str, Any]) -> dict[str, Any]:
    about = log.get("eval")
    if not isinstance(about, Mapping):
        raise ValueError("the header has no field `eval`")
    return {"task": about.get("task"), "model": about.get("model")}


def _member(file: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> dict[str, Any]:
    data = _unpacked(file, member) if member.compress_type == ZSTANDARD else archive.read(member)
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError(f"{member.filename} holds no JSON object")
    return found


def _unpacked(file: str, member: zipfile.ZipInfo) -> bytes:
    if importlib.util.find_spec("pyarrow") is None:
        raise SettingsError(f"{file}: it is compressed by Zstandard: {REMEDY}")
    import pyarrow

    with Path(file).open("rb") as source:
        source.seek(member.header_offset)
        names = LOCAL_HEADER.unpack(source.read(LOCAL_HEADER.size))
        source.seek(sum(names), 1)
        packed = source.read(member.compress_size)
    with pyarrow.input_stream(pyarrow.py_buffer(packed), compression="zstd") as stream:
        return bytes(stream.read())
