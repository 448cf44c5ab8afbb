"""Proves that a recorded suite reads files as `evaluate` does: rows of another kind are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adaqueue.cli.suite_sets import read_queries, replay
from adaqueue.core.bounds import ROUTED, ROUTING
from adaqueue.core.suites import Suite


def rows(two: bool, count: int = 30) -> list[dict[str, Any]]:
    found = []
    for number in range(count):
        row = {"id": f"{two}{number}", "domain": "math", "prompt": f"What is {number} + {number**2}?"}
        own = {"n": 4, "successes": number % 5}
        other = {"weak": own, "strong": {"n": 4, "successes": 4 - number % 2}}
        found.append({**row, "group": str(number), **(other if two else own)})
    return found


def suite(path: Path, lines: list[dict[str, Any]]) -> Suite:
    path.write_text("".join(json.dumps(row) + "\n" for row in lines))
    return Suite("r", "recorded", (str(path),), ("sequential",), folds=2, seeds=1)


def test_a_row_of_two_decoders_among_plain_ones_is_refused_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = rows(two=False)
    found = replay(suite(tmp_path / "plain.jsonl", [*lines[:7], *rows(two=True, count=1), *lines[7:]]))
    data = found["plain.jsonl"]
    assert (data["kind"], data["queries"], data["refused"]) == ("binary", 30, 1)
    assert "plain.jsonl: line 8: weak: " in capsys.readouterr().err


def test_a_suite_of_two_decoders_has_the_policies_whose_bounds_are_known(tmp_path: Path) -> None:
    data = replay(suite(tmp_path / "two.jsonl", [*rows(two=True), *rows(two=False, count=1)]))["two.jsonl"]
    assert (data["kind"], data["refused"]) == ("routing", 1)
    assert set(data["policies"]) == {*ROUTING, "oracle"}
    assert set(data["equal_reward_budget"]) == {*ROUTED, "oracle"}


def test_a_bank_of_queries_is_told_to_be_one(tmp_path: Path) -> None:
    lines = [{"domain": "math", "prompt": f"What is {number}?", "reference": "1"} for number in range(3)]
    one = suite(tmp_path / "bank.jsonl", lines)
    assert "it is a bank of queries" in replay(one)["bank.jsonl"]["error"]
    assert [query.id for query in read_queries(one.files[0])] == ["line-1", "line-2", "line-3"]
