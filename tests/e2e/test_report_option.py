"""Proves that `--report` leaves a whole report beside what a command says anyway."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from adaqueue.cli.reporting import check_report
from adaqueue.errors import UnavailableError
from tests.e2e.live import command


def outcomes(count: int) -> str:
    """Sums, the easier the shorter, with eight rewards each, as lines."""
    rng = random.Random(0)  # noqa: S311 - rewards, no secret
    rows = []
    for number in range(count):
        size = rng.choice((1, 3, 6))
        prompt = f"What is {rng.randrange(10**size)} + {rng.randrange(10**size)}?"
        rewards = [int(rng.random() < {1: 0.9, 3: 0.3, 6: 0.02}[size]) for _ in range(8)]
        tokens = [size + 1] * 8
        rows.append(
            {"id": str(number), "domain": "math", "prompt": prompt, "group": str(number)}
            | {
                "samples": [
                    {"text": "?", "reward": r, "tokens": t} for r, t in zip(rewards, tokens, strict=True)
                ]
            }
        )
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_evaluate_reports_all_files_on_one_page_whatever_they_are_called(tmp_path: Path) -> None:
    names = ("sums.jsonl", "<img src=x>.jsonl")
    for name in names:
        (tmp_path / name).write_text(outcomes(40))
    files = [tmp_path / name for name in names]
    said = command(
        "evaluate", *files, "--seeds", "1", "--budgets", "2,4", "--report", tmp_path / "report", "--json", "-"
    )
    assert said.returncode == 0, said.stderr
    assert f"report: {tmp_path}/report/index.html" in said.stderr
    page = (tmp_path / "report" / "index.html").read_text()
    assert "<img" not in page
    assert "&lt;img src=x&gt;.jsonl" in page
    assert page.count("<h3>Figure 3</h3>") == 2
    assert re.search(r"sequential (reaches|does not reach) the reward of uniform at B = 4", page)
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == json.loads(said.stdout)


def test_the_twin_reports_a_population_with_its_figures(tmp_path: Path) -> None:
    said = command("twin", "chat", "--seeds", "1", "--report", tmp_path)
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "1-chat-figure-4-tranches.png").is_file()
    assert "adaqueue twin chat --seeds 1" in (tmp_path / "report.md").read_text()


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_report(None)
    check_report(tmp_path / "new" / "report")
    with pytest.raises(UnavailableError, match="is no folder"):
        check_report(tmp_path / "file" / "report")
