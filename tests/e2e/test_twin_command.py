"""Proves that `adaqueue twin` prints its tables, writes its figures, and refuses what it does not know."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.live import command


def test_a_seed_of_the_twin_is_shown_as_tables_and_written_as_figures(tmp_path: Path) -> None:
    said = command("twin", "code", "--seeds", "1", "--json", tmp_path / "twin.json")
    assert said.returncode == 0, said.stderr
    found = json.loads((tmp_path / "twin.json").read_text())
    assert {"window", "bins", "sequential", "sequential_8_waves"} <= set(found["equal_reward_budget"])
    assert all(policy in said.stdout for policy in found["equal_reward_budget"])
    assert list(found["equal_reward_budget"]["window"]) == ["1", "2", "4", "8", "16", "32"]
    assert found["equal_reward_budget"]["window"]["16"] > 1 > found["equal_reward_budget"]["bins"]["16"]
    assert 0 < found["reward"]["uniform"]["1"] < found["reward"]["sequential"]["1"] < 1
    assert found["equal_reward_budget_spread"]["window"]["16"] == 0
    assert (found["seeds"], found["queries"]) == (1, 6_000)
    assert len(found["sensitivity"]) == 4


def test_figures_on_stdout_are_nothing_but_json() -> None:
    said = command("twin", "math", "--seeds", "1", "--json", "-")
    assert json.loads(said.stdout)["domain"] == "math"


def test_an_unknown_population_and_a_file_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    said = command("twin", "chat")
    assert said.returncode == 1
    assert "code, math" in said.stderr
    said = command("twin", "code", "--json", tmp_path / "none" / "twin.json")
    assert said.returncode == 1
    assert "may not be written" in said.stderr
