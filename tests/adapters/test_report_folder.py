"""Proves that a report is a whole folder: page, Markdown, data and drawings, regressions first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from adaqueue.wiring.reports import write_report

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


def figures() -> dict[str, Any]:
    """A small set: two policies at two budgets, one of which never reaches uniform's reward."""
    cell = {"low": 0.1, "high": 0.9, "samples": 2.0}
    return {
        "kind": "binary",
        "queries": 60,
        "policies": {
            "uniform": {"1": {"reward": 0.311, **cell}, "2": {"reward": 0.422, **cell}},
            "sequential": {"1": {"reward": 0.333, **cell}, "2": {"reward": 0.417, **cell}},
        },
        "equal_reward_budget": {
            "uniform": {"1": 1.0, "2": 1.0},
            "sequential": {"1": 0.719, "2": None},
        },
        "controls": {},
        "predictor": None,
    }


def test_a_folder_holds_the_page_the_text_the_data_and_the_drawings(tmp_path: Path) -> None:
    page = write_report(tmp_path / "new" / "report", figures())
    assert page == tmp_path / "new" / "report" / "index.html"
    assert json.loads((page.parent / "report.json").read_text()) == figures()
    assert "not reached" in page.read_text()
    assert "71.9%" in (page.parent / "report.md").read_text()
    assert len(list(page.parent.glob("*.svg"))) == len(list(page.parent.glob("*.png"))) > 0


def test_regressions_come_before_everything_else(tmp_path: Path) -> None:
    page = write_report(tmp_path, figures(), [{**WORSE, "is_regression": False, "words": "fine"}, WORSE])
    for text in (page.read_text(), (tmp_path / "report.md").read_text()):
        assert text.index("the probe predicts worse") < text.index("fine")
        assert text.index("the probe predicts worse") < text.index("0.311")
