"""Proves that inspect_ai's logs are read from disk in both of its formats, and others are refused by name."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from adaqueue.adapters import inspect_files
from adaqueue.adapters.inspect_files import ZSTANDARD, inspect_samples
from adaqueue.core.importers import Asked, InspectLog
from adaqueue.errors import BadQueryError, SettingsError, UnavailableError

DATA = Path(__file__).parents[1] / "data"
ARCHIVE, WRITTEN_OUT = DATA / "inspect_sums.eval", DATA / "inspect_sums.json"
"""The same task, answered in the same way, logged twice by inspect_ai 0.3.285."""


def rows(file: Path) -> dict[str, Any]:
    log = InspectLog(Asked(metric="match"))
    for sample in inspect_samples(str(file)):
        assert isinstance(sample, dict)
        log.add(sample, str(file))
    return {row["id"]: row for row in log.rows() if isinstance(row, dict)}


def test_an_archive_and_a_written_out_log_say_the_same() -> None:
    with zipfile.ZipFile(ARCHIVE) as archive:
        assert {member.compress_type for member in archive.infolist()} == {ZSTANDARD}
    found = rows(ARCHIVE)
    assert found == rows(WRITTEN_OUT)
    assert found["sums/two"]["model"] == "mockllm/model"
    assert [sample["tokens"] for sample in found["sums/two"]["samples"]] == [3, 6, 9]


def test_an_archive_of_older_versions_is_read_without_another_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = json.loads(WRITTEN_OUT.read_text())
    old = tmp_path / "old.eval"
    with zipfile.ZipFile(old, "w", zipfile.ZIP_DEFLATED) as archive:
        for sample in log["samples"]:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        archive.writestr("header.json", json.dumps({"eval": log["eval"]}))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert rows(old) == rows(WRITTEN_OUT)
    with pytest.raises(SettingsError, match="inspect log convert"):
        rows(ARCHIVE)


def test_what_is_no_such_log_is_refused_by_name(tmp_path: Path) -> None:
    for name, content in (("a.json", "{}"), ("b.json", "no JSON"), ("c.json", '{"samples": []}')):
        (tmp_path / name).write_text(content)
    with zipfile.ZipFile(tmp_path / "d.eval", "w") as archive:
        archive.writestr("other", "x")
    for name in ("a.json", "b.json", "c.json", "d.eval", "none.eval"):
        with pytest.raises(UnavailableError, match=name):
            rows(tmp_path / name)


HEADER = json.dumps({"eval": {"task": "sums", "model": "m"}})


def archive_of(path: Path, *members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", HEADER)
        for number, content in enumerate(members):
            archive.writestr(f"samples/{number}.json", content)
    return path


def zstandard_archive_of(path: Path, *members: bytes) -> Path:
    """An archive that only newer Pythons write: what is stored is said to be compressed, and is."""
    names = ["header.json", *(f"samples/{number}.json" for number in range(len(members)))]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in zip(names, (HEADER.encode(), *members), strict=True):
            archive.writestr(name, pyarrow.compress(content, codec="zstd", asbytes=True))
    data = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = data.find(sign)
        while place >= 0:
            data[place + offset] = ZSTANDARD
            place = data.find(sign, place + 1)
    path.write_bytes(data)
    return path


def outcome(file: Path) -> list[object]:
    """Ids of samples, or the fields by which they were refused."""
    found = inspect_samples(str(file))
    return [each.field if isinstance(each, BadQueryError) else each["id"] for each in found]


def test_a_damaged_member_is_refused_by_name_and_the_others_go_on(tmp_path: Path) -> None:
    long = json.dumps({"id": "x", "input": "abc" * 99}).encode()
    file = archive_of(tmp_path / "a.eval", b'{"id": 1}', long, b"[1]", b"no JSON", b"\xff", b'{"id": 2}')
    with zipfile.ZipFile(file) as archive:
        place = archive.getinfo("samples/1.json").header_offset
    data = bytearray(file.read_bytes())
    begin = place + 30 + len("samples/1.json")
    data[begin : begin + 8] = b"\xff" * 8
    file.write_bytes(data)
    assert outcome(file) == [1, *(f"samples/{number}.json" for number in range(1, 5)), 2]


def test_a_sample_that_is_no_object_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"eval": {}, "samples": [{"id": 1}, "hi", {"id": 2}]}))
    assert outcome(file) == [1, "samples", 2]


@pytest.mark.parametrize("pack", [archive_of, zstandard_archive_of])
def test_no_more_of_a_member_is_unpacked_than_a_sample_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[..., Path]
) -> None:
    """Its header may lie: the bytes that are really read count."""
    monkeypatch.setattr(inspect_files, "MOST_BYTES", 1_000)
    bomb, small = b'{"id": "' + b"0" * 1_000_000 + b'"}', b'{"id": 1}'
    file = pack(tmp_path / "a.eval", bomb, small)
    found = list(inspect_samples(str(file)))
    assert [str(each) for each in found if isinstance(each, BadQueryError)] == [
        "samples/0.json: 'more than 1,000 bytes': a sample has at most 1,000 bytes, unpacked"
    ]
    assert outcome(file) == ["samples/0.json", 1]
