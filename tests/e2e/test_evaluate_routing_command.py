"""Proves that `adaqueue evaluate` routes between two decoders on a file, and refuses rows of another kind."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.live import command

WORDS = ["apple", "river", "stone", "cloud", "paper", "green", "seven", "north", "table", "music"]


def rows(graded: bool) -> list[dict[str, Any]]:
    """Queries of which the long ones need the strong decoder."""
    rng = random.Random(0)  # noqa: S311 - rows, no secret
    found: list[dict[str, Any]] = []
    for number in range(80):
        hard = number % 2
        prompt = f"{number}: " + " ".join(rng.choices(WORDS, k=30 if hard else 6))
        weak = 0 if hard else 1
        sides = {"weak": weak, "strong": 1} if not graded else {"weak": weak + rng.random(), "strong": 1.5}
        found.append(
            {"domain": "math", "prompt": prompt, **{name: {"rewards": [r]} for name, r in sides.items()}}
        )
    return found


def test_a_file_of_two_decoders_is_routed_and_rows_of_one_are_refused_by_line(tmp_path: Path) -> None:
    file = tmp_path / "routing.jsonl"
    alone = {"domain": "math", "prompt": "alone", "rewards": [1]}
    file.write_text("\n".join(map(json.dumps, [alone, *rows(graded=False)])))
    said = command("evaluate", file, "--folds", "2", "--seeds", "1", "--json", tmp_path / "found.json")
    assert said.returncode == 3
    assert "line 1: weak: None: most rows have weak and strong" in said.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["kind"], found["queries"], found["refused"]) == ("routing", 80, 1)
    assert list(found["policies"]["routed"]) == [f"{tenth / 10}" for tenth in range(1, 11)]
    assert {"random", "routed", "oracle", "strong", "weak", "cascade"} <= set(found["policies"])
    assert found["strong_matched"]["routed"]["calls"] < 0.7
    assert found["strong_matched"]["oracle"]["calls"] == pytest.approx(0.5)
    assert found["controls"]["constant score"]["0.5"] == pytest.approx(1.0)
    assert found["predictor"]["optimal"] is None
    assert found["distribution"]["of"] == "preference"
    assert "cost, of the strong decoder's" in said.stdout


def test_real_rewards_are_routed_by_the_gain_and_have_no_cascade(tmp_path: Path) -> None:
    file = tmp_path / "graded.jsonl"
    file.write_text("\n".join(map(json.dumps, rows(graded=True))))
    said = command("evaluate", file, "--folds", "2", "--seeds", "1", "--json", "-")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert "cascade" not in found["policies"]
    half = {name: row["0.5"]["reward"] for name, row in found["policies"].items()}
    assert half["weak"] < half["random"] < half["routed"] <= half["oracle"]
