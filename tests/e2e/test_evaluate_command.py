"""Proves that `adaqueue evaluate` makes tables and figures of recorded outcomes, and says what is wrong."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.live import command

MODEL = Path(__file__).parents[2] / "adaqueue" / "demo" / "model"
POLICIES = {
    "uniform",
    "uniform_early_stop",
    "window",
    "bins",
    "beta_window",
    "sequential",
    "oracle",
    "sequential_oracle",
}


def recorded(count: int = 60, samples: int = 8, graded: bool = False) -> list[dict[str, Any]]:
    """Sums, which are the easier the smaller their numbers are, and what was recorded of them."""
    rng = random.Random(0)  # noqa: S311 - rewards, no secret
    rows: list[dict[str, Any]] = []
    for number in range(count):
        digits = rng.choice((1, 2, 4, 6))
        first, second = (rng.randrange(10 ** (digits - 1), 10**digits) for _ in range(2))
        chance = {1: 0.9, 2: 0.6, 4: 0.2, 6: 0.05}[digits]
        rewards = [rng.gauss(digits, 1) if graded else float(rng.random() < chance) for _ in range(samples)]
        rows.append(
            {
                "id": f"sum-{number}",
                "domain": "math",
                "prompt": f"What is {first} + {second}?",
                "group": str(number),
                "rewards": rewards,
                "metadata": {"digits": digits},
            }
        )
    return rows


def write(path: Path, rows: list[Any]) -> Path:
    lines = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return path


def test_a_file_becomes_tables_and_figures_and_bad_rows_stop_nothing(tmp_path: Path) -> None:
    rows = [*recorded(), "{not json", {"id": "x", "domain": "math", "prompt": "?", "rewards": "many"}]
    file = write(tmp_path / "sums.jsonl.gz", rows)
    said = command("evaluate", file, "--seeds", "2", "--json", tmp_path / "found.json")
    assert said.returncode == 3, said.stderr
    assert "line 61:" in said.stderr
    assert "line 62: rewards" in said.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["queries"], found["refused"], found["seeds"]) == (60, 2, 2)
    assert set(found["policies"]) >= POLICIES
    assert all(policy in said.stdout for policy in POLICIES)
    assert set(found["policies"]["sequential"]["2"]) == {"reward", "low", "high", "samples"}
    assert list(found["equal_reward_budget"]["sequential"]) == ["1", "2", "4"]
    assert found["equal_reward_budget"]["sequential"]["1"] < 1 == found["equal_reward_budget"]["uniform"]["1"]
    assert {"loss", "average", "optimal", "accuracy", "ece"} <= set(found["predictor"])
    assert found["predictor"]["loss"] < found["predictor"]["average"]
    assert set(found["baselines"]) == {"tfidf", "length"}
    assert found["controls"]["constant score"]["2"] == pytest.approx(
        found["equal_reward_budget"]["uniform_early_stop"]["2"], abs=0.01
    )


def test_any_folder_s_model_and_metadata_may_be_read_and_figures_alone_go_to_stdout(tmp_path: Path) -> None:
    file = write(tmp_path / "sums.jsonl", recorded())
    options = ("--features", MODEL, "--metadata", "digits", "--seeds", "1", "--budgets", "2")
    said = command("evaluate", file, *options, "--json", "-")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert (found["features"], found["metadata"], found["cut"]) == (str(MODEL), ["digits"], 0)
    assert list(found["policies"]["oracle"]) == ["2"]
    assert found["predictor"]["accuracy"] > 0.7


def test_several_files_are_sets_by_name_and_one_that_cannot_be_evaluated_spoils_no_other(
    tmp_path: Path,
) -> None:
    chat = write(tmp_path / "chat.jsonl", recorded(40, graded=True))
    stopped = {"id": "r", "domain": "math", "prompt": "?", "rewards": [0, 1], "stopped": True}
    ended = write(tmp_path / "ended.jsonl", [stopped] * 30)
    few = write(tmp_path / "few.jsonl", recorded(3))
    said = command("evaluate", chat, ended, few, "--seeds", "1", "--json", tmp_path / "found.json")
    assert said.returncode == 3, said.stderr
    assert "its number of samples depended on their rewards" in said.stderr
    assert "30 lines refused" in said.stderr
    assert "give more queries, or fewer folds" in said.stderr
    sets = json.loads((tmp_path / "found.json").read_text())["sets"]
    assert set(sets) == {"chat.jsonl", "ended.jsonl", "few.jsonl"}
    assert set(sets["chat.jsonl"]["policies"]) == {"uniform", "sequential", "oracle", "sequential_oracle"}
    assert sets["chat.jsonl"]["predictor"] is None
    assert (sets["ended.jsonl"]["refused"], sets["ended.jsonl"]["queries"]) == (30, 0)
    assert "groups" in sets["few.jsonl"]["error"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--budgets", "9"), "has 8 samples, and 9 are needed"),
        (("--features", "/nowhere"), "config.json"),
        (("--metadata", "colour"), "known are digits"),
    ],
)
def test_what_cannot_be_is_refused_with_its_remedy(
    tmp_path: Path, options: tuple[str, str], words: str
) -> None:
    said = command("evaluate", write(tmp_path / "sums.jsonl", recorded(20)), *options)
    assert said.returncode in {1, 3}
    assert words in said.stderr.replace("\n", " ")


def test_real_samples_need_what_they_are_known_to_need(shared: Path, tmp_path: Path) -> None:
    file = shared / "data" / "humaneval_codegen16b.jsonl.gz"
    said = command("evaluate", file, "--seeds", "1", "--budgets", "1,4", "--json", tmp_path / "found.json")
    assert said.returncode == 0, said.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    shares = found["equal_reward_budget"]
    assert shares["uniform_early_stop"]["4"] == pytest.approx(0.772, abs=0.001)
    assert shares["oracle"]["1"] == pytest.approx(0.44, abs=0.005)
    assert shares["sequential"]["1"] < 0.7
    assert shares["sequential"]["4"] < shares["uniform_early_stop"]["4"] + 0.02
