"""Proves that `adaqueue twin` prints its tables, writes its figures, and refuses what it does not know."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

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
    assert set(found["tertiles"]) == {"window", "bins", "sequential"}
    assert all(np.mean(found["tertiles"]["window"][b]) == pytest.approx(float(b)) for b in ("1", "32"))
    assert found["distribution"]["zero"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("pair", ["routing-size", "routing-vas"])
def test_routing_is_shown_by_share_with_the_paper_s_predictor_beside_it(pair: str, tmp_path: Path) -> None:
    said = command("twin", pair, "--seeds", "1", "--json", tmp_path / "twin.json")
    assert said.returncode == 0, said.stderr
    found = json.loads((tmp_path / "twin.json").read_text())
    assert list(found["reward"]["routed"]) == [f"{tenth / 10:.1f}" for tenth in range(1, 11)]
    assert found["strong_matched"]["oracle"] < found["strong_matched"]["routed"] <= 1
    assert found["predictor"]["loss"] == pytest.approx(found["paper"]["loss"], abs=0.01)
    assert {"distribution", "calibration", "points"} <= set(found)
    assert "few queries gain much" in said.stdout


def test_chat_is_shown_for_all_queries_and_for_the_tranches() -> None:
    said = command("twin", "chat", "--seeds", "1", "--json", "-")
    found = json.loads(said.stdout)
    assert set(found["tranches"]) == {"lowest", "highest", "both"}
    both = found["tranches"]["both"]
    assert both["queries"] == 1_200
    assert both["equal_reward_budget"]["window"]["4"] < found["equal_reward_budget"]["window"]["4"] < 1


def test_figures_on_stdout_are_nothing_but_json() -> None:
    said = command("twin", "math", "--seeds", "1", "--json", "-")
    assert json.loads(said.stdout)["domain"] == "math"


def test_an_unknown_population_and_a_file_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    said = command("twin", "poetry")
    assert said.returncode == 1
    assert "code, math" in said.stderr
    said = command("twin", "code", "--json", tmp_path / "none" / "twin.json")
    assert said.returncode == 1
    assert "may not be written" in said.stderr
