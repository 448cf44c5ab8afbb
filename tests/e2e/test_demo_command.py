"""Proves that `adaqueue demo` takes live queries through the whole system and compares policies honestly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.live import command, processes_of

QUERIES = 40
POLICIES = ("uniform", "sequential")
COMPARED = {*POLICIES, "uniform_early_stop", "window", "window_early_stop", "beta_window", "oracle"}
DOMAINS = ("math", "code")


@pytest.fixture(scope="module")
def figures(place: Path) -> dict[str, Any]:
    """What one run of the demo reports, with its temporary files in the place."""
    out = place / "out.json"
    said = command("demo", "--queries", QUERIES, "--json", out, temporary=place)
    assert said.returncode == 0, said.stderr
    assert f"{QUERIES} queries drawn live" in said.stdout
    figures: dict[str, Any] = json.loads(out.read_text())
    return figures


def test_the_same_on_a_vllm_server_of_its_own(place: Path) -> None:
    out = place / "vllm.json"
    said = command(
        "demo", "--queries", 10, "--engine", "vllm", "--json", out, temporary=place, patience_seconds=280
    )
    assert said.returncode == 0, said.stderr
    found = json.loads(out.read_text())
    assert (found["engine"], found["queries"]) == ("vllm", 10)
    assert found["answered"] + found["abstained"] == 10
    assert all(run["consistent"] for run in found["ledger"].values())
    assert all(row["probe"].startswith(f"{domain}-") for domain, row in found["domains"].items())


def test_every_query_is_answered_or_abstained(figures: dict[str, Any]) -> None:
    assert figures["queries"] == figures["answered"] + figures["abstained"] == QUERIES
    assert figures["engine"] == "transformers"
    assert isinstance(figures["model"], str)
    assert figures["seconds"] > 0


@pytest.mark.parametrize("domain", DOMAINS)
def test_uniform_spends_the_whole_total_sequential_no_more_and_both_carry_intervals(
    figures: dict[str, Any], domain: str
) -> None:
    policies = figures["domains"][domain]["policies"]
    assert set(policies) == set(POLICIES)
    assert policies["uniform"]["samples"] == 4 * QUERIES // 2
    assert 0 < policies["sequential"]["samples"] <= 4 * QUERIES // 2
    gain = figures["domains"][domain]["sequential_minus_uniform"]
    assert gain["success"] == policies["sequential"]["success"] - policies["uniform"]["success"]
    assert gain["low"] <= gain["success"] <= gain["high"]
    for row in policies.values():
        assert 0 <= row["low"] <= row["success"] <= row["high"] <= 1


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_comparison_over_budgets_says_what_share_of_uniform_is_needed(
    figures: dict[str, Any], domain: str
) -> None:
    shares = figures["domains"][domain]["equal_reward_budget"]
    assert set(shares) == set(figures["domains"][domain]["success"]) == COMPARED
    assert all(share <= 1 + 1e-9 for share in shares["uniform"].values())
    for by_budget in figures["domains"][domain]["success"].values():
        assert all(0 <= success <= 1 for success in by_budget.values())
        assert list(by_budget.values()) == sorted(by_budget.values())
    for by_budget in shares.values():
        assert all(float(budget) > 0 for budget in by_budget)
        assert all(share is None or share > 0 for share in by_budget.values())


@pytest.mark.parametrize("domain", DOMAINS)
def test_budgets_were_decided_by_a_probe_that_was_trained(figures: dict[str, Any], domain: str) -> None:
    assert figures["domains"][domain]["probe"].startswith(f"{domain}-")


def test_the_ledger_agrees_with_itself_after_every_run(figures: dict[str, Any]) -> None:
    assert len(figures["ledger"]) == 3 * len(DOMAINS)
    for run in figures["ledger"].values():
        assert run["consistent"] is True
        assert run["queries"] == run["answers"] == QUERIES // 2
        assert run["samples"] == run["verdicts"] == run["account"] <= run["budget"]
    for name in ("uniform", "uniform with 32 draws"):
        assert all(
            figures["ledger"][f"{domain}: {name}"]["allocations"] == QUERIES // 2 for domain in DOMAINS
        )
    answered = sum(figures["ledger"][f"{domain}: sequential"]["answered"] for domain in DOMAINS)
    assert answered == figures["answered"]


def test_no_process_and_no_data_folder_stay(figures: dict[str, Any], place: Path) -> None:
    assert processes_of(place) == []
    assert list(place.glob("adaqueue*")) == []
