"""Proves that sets are read from folders of the hub's own shape, from parquet and CSV, with no code run."""

from __future__ import annotations

import gzip
import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from adaqueue.adapters.datasets_hub import csv_records, hub_records, parquet_records
from adaqueue.core.importers import DATA_SETS, Hub
from adaqueue.core.query import Query
from adaqueue.errors import SettingsError, UnavailableError
from tests.core.test_data_sets import GSM8K, HH, LMSYS, MATH, NUMINA
from tests.core.test_importers import APPS, LIVE, TACO


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def table(path: Path, *records: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(list(records)), path)


def lines(path: Path, *records: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def card(subset: str, split: str, pattern: str) -> str:
    """What a set's card says of one subset."""
    return f"- config_name: {subset}\n  data_files:\n  - split: {split}\n    path: {pattern}\n"


def lay_out(folder: Path) -> dict[str, Path]:
    """Small sets of the very shape that they have on the hub."""
    table(folder / "numina-cot/data/train-00000-of-00001.parquet", NUMINA)
    table(folder / "lmsys-chat-1m/data/train-00000-of-00001.parquet", LMSYS)
    table(folder / "gsm8k/main/test-00000-of-00001.parquet", GSM8K)
    table(folder / "taco/ALL/train-00000-of-00001.parquet", TACO)
    lines(folder / "hh-harmless/harmless-base/train.jsonl.gz", HH)
    lines(folder / "hh-harmless/helpful-base/train.jsonl.gz", HH, HH)
    lines(folder / "apps/test.jsonl", APPS)
    lines(folder / "livecodebench/test.jsonl", LIVE)
    lines(folder / "livecodebench/test2.jsonl", {**LIVE, "question_id": "abc302_a"})
    for name in ("apps", "livecodebench"):
        (folder / name / f"{name}.py").write_text("raise SystemExit('this ran')")
    subsets = ("algebra", "geometry")
    for subset in subsets:
        table(folder / f"math/{subset}/test-00000-of-00001.parquet", {**MATH, "problem": subset})
    hh = [f"- config_name: {part}\n  data_dir: {part}\n" for part in ("harmless-base", "helpful-base")]
    configs = {
        "hh-harmless": card("all", "train", '"*/train*"') + "".join(hh),
        "gsm8k": card("main", "test", "main/test-*"),
        "taco": card("ALL", "train", "ALL/train-*"),
        "math": "".join(card(subset, "test", f"{subset}/test-*") for subset in subsets),
    }
    for name, words in configs.items():
        (folder / name / "README.md").write_text(f"---\nconfigs:\n{words}---\n")
    return {path.name: path for path in folder.iterdir()}


def test_every_shape_of_the_hub_is_streamed_into_good_queries(tmp_path: Path) -> None:
    ids: dict[str, list[object]] = {}
    for name, folder in lay_out(tmp_path).items():
        known = DATA_SETS[name]
        hub = replace(known.hub, name=str(folder))
        hub = replace(hub, subsets=("algebra", "geometry")) if name == "math" else hub
        records = list(hub_records(hub, hub.split, None))
        assert not any(map(known.left_out, records))
        ids[name] = [Query.from_row(known.importer(record, 1)).id for record in records]
    assert ids["livecodebench"] == ["livecodebench/abc301_a", "livecodebench/abc302_a"]
    assert ids["lmsys-chat-1m"] == ["lmsys-chat-1m/33f01939"]
    assert {name: len(found) for name, found in ids.items()} == {
        **dict.fromkeys(ids, 1),
        **{"math": 2, "livecodebench": 2},
    }


def test_a_split_that_is_not_there_and_a_set_that_is_not_there_are_named(tmp_path: Path) -> None:
    folder = lay_out(tmp_path)["gsm8k"]
    with pytest.raises(UnavailableError, match="gsm8k"):
        list(hub_records(Hub(str(folder), "test", ("main",)), "nothing", None))
    with pytest.raises(UnavailableError, match="socratic"):
        list(hub_records(Hub(str(folder), "test", ("socratic",)), "test", None))


def test_without_the_package_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'adaqueue\[data\]'.*or name a file"):
        next(hub_records(DATA_SETS["gsm8k"].hub, "test", None))
    with pytest.raises(SettingsError, match=r"pip install 'adaqueue\[data\]'"):
        next(parquet_records(str(tmp_path / "x.parquet")))


def test_parquet_and_csv_files_give_their_records(tmp_path: Path) -> None:
    table(tmp_path / "a.parquet", *[{**GSM8K, "number": n} for n in range(250)])
    assert [record["number"] for record in parquet_records(str(tmp_path / "a.parquet"))] == [*range(250)]
    (tmp_path / "a.csv").write_text('question,answer\n"How\nmany?",#### 4\n')
    assert list(csv_records(str(tmp_path / "a.csv"))) == [{"question": "How\nmany?", "answer": "#### 4"}]


def test_what_is_no_such_file_is_told_by_name(tmp_path: Path) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"nothing")
    (tmp_path / "bad.csv").write_text("a,b\n1,2,3\n")
    for found in (
        parquet_records(str(bad)),
        parquet_records(str(tmp_path / "none")),
        csv_records(str(tmp_path / "bad.csv")),
        csv_records(str(tmp_path / "none")),
    ):
        with pytest.raises(UnavailableError, match=str(tmp_path)):
            list(found)


def test_parquet_whose_text_is_no_utf_8_is_told_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "bad.parquet"
    bad = pyarrow.array([b"good", b"\xff\xfe"], type=pyarrow.binary()).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"question": bad}), file)
    with pytest.raises(UnavailableError, match=r"bad\.parquet: .*write its text as UTF-8"):
        list(parquet_records(str(file)))


def test_a_set_that_only_a_script_can_load_is_told_with_what_to_do_and_the_script_never_runs(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "scripted"
    folder.mkdir()
    (folder / "scripted.py").write_text("raise SystemExit('this ran')")
    with pytest.raises(UnavailableError, match=r"scripted: .*its code is not run: download its files"):
        list(hub_records(Hub(str(folder), "test", (None,)), "test", None))
