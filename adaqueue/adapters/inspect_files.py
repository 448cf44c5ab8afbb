"""Logs of inspect_ai on disk: `.json`, one object, and `.eval`, a zip archive of samples."""

from __future__ import annotations

import importlib.util
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from adaqueue.errors import BadQueryError, SettingsError, UnavailableError

ZSTANDARD = 93
"""How newer versions compress the members of an archive; Python's zipfile learns it in 3.14."""
MOST_BYTES = 1 << 28
"""Of one member of an archive, unpacked: a few hundred kilobytes may claim to hold gigabytes."""

LOCAL_HEADER = struct.Struct("<26xHH")
_DAMAGES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)
REMEDY = "`pip install 'adaqueue[data]'`, or `inspect log convert --to json`"


def inspect_samples(file: str) -> Iterator[dict[str, Any] | BadQueryError]:
    """Yields the samples of a log, each with `task` and `model` of its header, or why one cannot be read.

    Args:
        file: an archive is read sample by sample, a `.json` at once.

    Raises:
        UnavailableError: the file cannot be read, or is no such log.
        SettingsError: what decompresses it is not installed.
    """
    try:
        yield from _archived(file) if zipfile.is_zipfile(file) else _written_out(file)
    except (OSError, zipfile.BadZipFile, ValueError, RecursionError, struct.error, BadQueryError) as error:
        raise UnavailableError(f"{file}: {error}") from error


def _written_out(file: str) -> Iterator[dict[str, Any] | BadQueryError]:
    log = json.loads(Path(file).read_bytes())
    if not isinstance(log, dict) or not isinstance(log.get("samples"), list):
        raise UnavailableError(f"{file}: no log of inspect_ai with samples")
    known = _header(log)
    for sample in log["samples"]:
        if isinstance(sample, dict):
            yield {**known, **sample}
        else:
            yield BadQueryError("samples", sample, "the format has objects there")


def _archived(file: str) -> Iterator[dict[str, Any] | BadQueryError]:
    with zipfile.ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        head = members.get("header.json") or members.get("_journal/start.json")
        if head is None:
            raise UnavailableError(f"{file}: no log of inspect_ai: it has no header")
        known = _header(_member(file, archive, head))
        for name, member in members.items():
            if name.startswith("samples/") and name.endswith(".json"):
                try:
                    sample = _member(file, archive, member)
                except BadQueryError as error:
                    yield error
                else:
                    yield {**known, **sample}


def _header(log: Mapping[str, Any]) -> dict[str, Any]:
    about = log.get("eval")
    if not isinstance(about, Mapping):
        raise ValueError("the header has no field `eval`")
    return {"task": about.get("task"), "model": about.get("model")}


def _member(file: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> dict[str, Any]:
    """Returns the JSON object that a member holds; raises BadQueryError, which names it, if it holds none."""
    try:
        packed = member.compress_type == ZSTANDARD
        data = _unpacked(file, member) if packed else _read(archive, member)
        found = json.loads(data) if len(data) <= MOST_BYTES else None
    # what a damaged member is told by hangs on how it is compressed, and on where it is damaged
    except (OSError, EOFError, RuntimeError, ValueError, struct.error, *_DAMAGES) as error:
        raise BadQueryError(member.filename, "unreadable", f"log the task again: {error}") from error
    if len(data) > MOST_BYTES:
        remedy = f"a sample has at most {MOST_BYTES:,} bytes, unpacked"
        raise BadQueryError(member.filename, f"more than {MOST_BYTES:,} bytes", remedy)
    if not isinstance(found, dict):
        raise BadQueryError(member.filename, found, "the format has an object there")
    return found


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Returns the bytes of a member, one more than there may be at most, whatever its header claims."""
    with archive.open(member) as stream:
        return stream.read(MOST_BYTES + 1)


def _unpacked(file: str, member: zipfile.ZipInfo) -> bytes:
    """Returns the bytes of a member that is compressed by Zstandard, as `_read` does."""
    if importlib.util.find_spec("pyarrow") is None:
        raise SettingsError(f"{file}: it is compressed by Zstandard: {REMEDY}")
    import pyarrow

    with Path(file).open("rb") as source:
        source.seek(member.header_offset)
        names = LOCAL_HEADER.unpack(source.read(LOCAL_HEADER.size))
        source.seek(sum(names), 1)
        packed = source.read(member.compress_size)
    with pyarrow.input_stream(pyarrow.py_buffer(packed), compression="zstd") as stream:
        return bytes(stream.read(MOST_BYTES + 1))
