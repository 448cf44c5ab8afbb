"""Proves that a report is a whole folder, always of the same bytes, and that regressions come first in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from adaqueue.adapters.reports.content import slug
from adaqueue.errors import UnavailableError
from adaqueue.wiring.reports import machine, write_report
from tests.reporting import binary, real, whole

WORSE = {
    "suite": "nightly",
    "figure": "loss",
    "before": 0.4,
    "now": 0.5,
    "low": 0.05,
    "high": 0.15,
    "is_regression": True,
    "words": "the probe predicts worse",
}


def test_a_folder_holds_the_page_the_text_the_data_and_every_drawing_twice(tmp_path: Path) -> None:
    page = write_report(tmp_path / "new" / "report", binary())
    assert page == tmp_path / "new" / "report" / "index.html"
    assert json.loads((page.parent / "report.json").read_text()) == binary()
    drawn = {file.stem for file in page.parent.glob("*.svg")}
    assert drawn == {file.stem for file in page.parent.glob("*.png")}
    assert {name.removeprefix("1-sums-") for name in drawn} == {
        *("figure-3", "figure-6", "needed", "tokens", "rounds", "b-max"),
        *("verifier-errors", "transfer", "optimism"),
    }
    text = (page.parent / "report.md").read_text()
    assert set(re.findall(r"\]\((.*)\.svg\)", text)) == drawn


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_report(tmp_path / name, real(), [WORSE])
    one, two = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two")
    )
    assert one == two


def test_regressions_come_before_everything_else(tmp_path: Path) -> None:
    fine = {**WORSE, "is_regression": False, "words": "", "now": None}
    page = write_report(tmp_path, {"sets": {"none": {"queries": 0, "error": "nothing"}}}, [fine, WORSE])
    for text in (page.read_text(), (tmp_path / "report.md").read_text()):
        places = [
            text.index(words) for words in ("the probe predicts worse", "0.400 before", "Not evaluated")
        ]
        assert places == sorted(places)
    assert "not reached now" in page.read_text()


def test_names_of_files_are_letters_whatever_a_set_is_called(tmp_path: Path) -> None:
    write_report(tmp_path, {"sets": {"../../x y\n.jsonl.gz": real(), "...": real()}})
    assert slug("dir/Code_16b.jsonl.gz") == "code-16b"
    names = {file.name for file in tmp_path.glob("*.svg")}
    assert {"1-x-y-needed.svg", "2-set-needed.svg"} <= names


def test_a_folder_that_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="file"):
        write_report(tmp_path / "file" / "report", real())


def test_a_machine_is_told_by_processor_cores_and_memory() -> None:
    found = machine()
    assert found["cpu"]
    assert int(found["cores"]) > 0 < float(found["memory_gibibytes"])


def test_drawings_stand_alone(tmp_path: Path) -> None:
    write_report(tmp_path, whole())
    for file in tmp_path.glob("*.svg"):
        text = file.read_text()
        assert "var(" not in text
        assert "<text" in text
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in tmp_path.glob("*.png"))
