"""Proves that inspect_ai's logs are read from disk in both of its formats, and others are refused by name."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from adaqueue.adapters.inspect_files import ZSTANDARD, inspect_samples
from adaqueue.core.importers import Asked, InspectLog
from adaqueue.errors import SettingsError, UnavailableError

DATA = Path(__file__).parents[1] / "data"
ARCHIVE, WRITTEN_OUT = DATA / "inspect_sums.eval", DATA / "inspect_sums.json"
"""The same task, answered in the same way, logged twice by inspect_ai 0.3.285."""


def rows(file: Path) -> dict[str, Any]:
    log = InspectLog(Asked(metric="match"))
    for sample in inspect_samples(str(file)):
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
