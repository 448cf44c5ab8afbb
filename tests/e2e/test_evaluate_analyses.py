"""Proves that `adaqueue evaluate` writes analyses, learns from other files, and knows a bank of queries."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

from tests.e2e.live import command


def write(path: Path, seed: int, count: int = 60, graded: bool = False) -> Path:
    """Writes sums, the easier the smaller their numbers are, and what was recorded of them."""
    rng, lines = random.Random(seed), []  # noqa: S311 - rewards, no secret
    for number in range(count):
        digits = rng.choice((1, 2, 4, 6))
        first, second = (rng.randrange(10 ** (digits - 1), 10**digits) for _ in range(2))
        chance = {1: 0.9, 2: 0.6, 4: 0.2, 6: 0.05}[digits]
        rewards = [rng.gauss(digits, 1) if graded else float(rng.random() < chance) for _ in range(8)]
        row = {
            "domain": "math",
            "prompt": f"What is {first} + {second}?",
            "group": f"{path.stem} {number}",
            "rewards": rewards,
            "tokens": [10 * digits] * 8,
        }
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines))
    return path


def figures(tmp_path: Path, *arguments: object) -> dict[str, Any]:
    said = command("evaluate", *arguments, "--seeds", "1", "--json", tmp_path / "found.json")
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads((tmp_path / "found.json").read_text())
    return found


def test_verdicts_have_every_analysis_with_its_source_and_other_files_teach(tmp_path: Path) -> None:
    here, there = write(tmp_path / "here.jsonl", 0), write(tmp_path / "there.jsonl", 1, 80)
    found = figures(tmp_path, here, "--train-on", there, "--optimism", "--budgets", "1,2", "--folds", "2")
    assert (found["kind"], found["seed"]) == ("binary", 0)
    assert found["source"] == {
        "file": str(here),
        "sha256": hashlib.sha256(here.read_bytes()).hexdigest(),
        "bytes": here.stat().st_size,
    }
    assert {"adaqueue", "python", "numpy", "scipy", "scikit-learn"} <= set(found["versions"])
    assert "evaluate" in found["command"]
    assert "--optimism" in found["command"]
    assert found["distribution"]["of"] == "success rate"
    assert sum(own["queries"] for own in found["calibration"]) == 60
    assert len(found["points"]) == 60
    for name in ("tertiles", "tokens", "rounds", "b_max"):
        assert set(found[name]) == set(found["policies"])
        assert list(found[name]["sequential"]) == ["1", "2"]
    assert len(found["tertiles"]["bins"]["2"]) == 3
    assert list(found["b_max"]["uniform"]["1"]) == ["8"]
    assert [(own["false_accepts"], own["false_rejects"]) for own in found["verifier_errors"]][:2] == [
        (0, 0),
        (0, 0.05),
    ]
    learnt = found["transfer"]
    assert learnt["from"] == ["there.jsonl"]
    assert 0 < learnt["queries"] == 80 - learnt["left_out"]
    assert learnt["equal_reward_budget"]["sequential"]["1"] < 1
    assert set(found["optimism"]["equal_reward_budget"]["sequential"]["1"]) == {"honest", "same_draws"}


def test_grades_have_tranches_and_no_verifier(tmp_path: Path) -> None:
    here = write(tmp_path / "here.jsonl", 0, graded=True)
    found = figures(tmp_path, here, "--budgets", "1,2", "--optimism")
    assert found["kind"] == "real"
    assert found["distribution"]["of"] == "standard deviation of rewards"
    assert {name: own["queries"] for name, own in found["tranches"].items()} == {
        "lowest": 6,
        "highest": 6,
        "both": 12,
    }
    assert not {"tertiles", "verifier_errors", "calibration", "tokens", "zero"} & {
        *found,
        *found["distribution"],
    }


def test_a_bank_of_queries_is_said_to_be_one_once_and_spoils_no_other_file(tmp_path: Path) -> None:
    bank, here = tmp_path / "bank.jsonl", write(tmp_path / "here.jsonl", 0, graded=True)
    row = {"domain": "math", "prompt": "What is 37 * 12?", "reference": "444"}
    bank.write_text("\n".join([json.dumps(row)] * 50))
    said = command("evaluate", bank, here, "--seeds", "1", "--json", tmp_path / "found.json")
    assert said.returncode == 3
    assert said.stderr.count("bank.jsonl") == 1
    assert "none of its 50 rows holds outcomes" in said.stderr
    assert "give what became of them" in said.stderr
    sets = json.loads((tmp_path / "found.json").read_text())["sets"]
    assert sets["bank.jsonl"]["error"].startswith("none of its 50 rows")
    assert "policies" in sets["here.jsonl"]
    refused = command("evaluate", here, "--train-on", bank)
    assert refused.returncode not in (0, 3)
    assert "train-on: bank.jsonl: none of its 50 rows" in refused.stderr
