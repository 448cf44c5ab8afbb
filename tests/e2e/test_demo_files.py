"""Proves that what the demo drew live becomes files that `adaqueue evaluate` reads, and their report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from adaqueue import wiring
from adaqueue.cli.demo_files import report_live
from adaqueue.cli.demo_report import DomainRuns, LiveRun
from adaqueue.core.recording import RecordedSample

QUERIES = 30
NAMES = ("chat", "code", "math", "routing")


def runs(domain: wiring.Domain) -> DomainRuns:
    """A domain as if drawn live: the longer a prompt, the rarer a success."""
    responses = {
        row["id"]: [
            RecordedSample("12", float((number * 7 + place) % 11 < 11 - len(row["prompt"]) % 10), 3)
            for number in range(32)
        ]
        for place, row in enumerate(wiring.demo_queries(QUERIES, domain))
    }
    run = LiveRun("uniform", [], {}, 1.0, None, responses)
    return DomainRuns(run, run, run)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("demo") / "report"
    shares: dict[wiring.Domain, int] = {"math": QUERIES, "code": QUERIES}
    try:
        report_live(into, {"math": runs("math"), "code": runs("code")}, shares)
    except typer.Exit:  # thirty programs may be near duplicates of too few
        assert "near duplicates" in (into / "report.md").read_text()
    return into


def test_every_kind_of_set_is_written_and_evaluated(folder: Path) -> None:
    assert {file.name for file in folder.glob("*.gz")} == {f"{name}.jsonl.gz" for name in NAMES}
    sets: dict[str, Any] = json.loads((folder / "report.json").read_text())["sets"]
    assert set(sets) == {f"{name}.jsonl.gz" for name in NAMES}
    kinds = {name: found.get("kind") for name, found in sets.items() if "error" not in found}
    assert (
        kinds.items()
        >= {"math.jsonl.gz": "binary", "chat.jsonl.gz": "real", "routing.jsonl.gz": "routing"}.items()
    )


def test_the_page_has_the_paper_s_figures(folder: Path) -> None:
    page = (folder / "index.html").read_text()
    for figure in ("Figure 3", "Figure 4, full", "Figure 5", "Figure 6", "Table 1"):
        assert figure in page
