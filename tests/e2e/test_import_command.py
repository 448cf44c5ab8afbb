"""Proves that `adaqueue import` writes queries that pass the gate, and that bad records stop no others."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from tests.core.test_importers import APPS, HUMANEVAL, LIVE, MBPP, SANITIZED, TACO, packed
from tests.e2e.live import command


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_imported_queries_of_every_set_pass_the_gate_with_their_own_solutions(tmp_path: Path) -> None:
    sets: dict[str, list[dict[str, Any]]] = {
        "humaneval": [HUMANEVAL],
        "mbpp": [MBPP, SANITIZED],
        "apps": [APPS],
        "taco": [TACO],
        "livecodebench": [{**LIVE, "private_test_cases": packed(LIVE["private_test_cases"])}],
    }
    kept = tmp_path / "all.jsonl"
    for name, records in sets.items():
        file, output = tmp_path / f"{name}.jsonl.gz", tmp_path / f"{name}.queries.jsonl"
        file.write_bytes(gzip.compress("".join(json.dumps(record) + "\n" for record in records).encode()))
        said = command("import", name, file, "--output", output)
        assert said.returncode == 0, said.stderr
        kept.write_text((kept.read_text() if kept.exists() else "") + output.read_text())
    said = command("verify", "gate", kept, "--output", tmp_path / "passed.jsonl", patience_seconds=280)
    assert said.returncode == 0, said.stderr
    assert [row["metadata"]["source"] for row in written(tmp_path / "passed.jsonl")] == [
        *("humaneval", "mbpp", "mbpp", "apps", "taco")
    ]
    assert "livecodebench/abc301_a: no_solution" in said.stderr


def test_an_array_of_records_is_read_and_bad_ones_are_named_with_their_place(tmp_path: Path) -> None:
    file, output, figures = tmp_path / "set.json", tmp_path / "queries.jsonl", tmp_path / "figures.json"
    file.write_text(json.dumps([SANITIZED, {**SANITIZED, "code": "def ("}, 5, MBPP], indent=1))
    said = command("import", "mbpp", file, "--output", output, "--json", figures)
    assert said.returncode == 3
    assert [row["id"] for row in written(output)] == ["mbpp/12", "mbpp/11"]
    assert "line 2: code" in said.stderr
    assert "line 3: row" in said.stderr
    assert json.loads(figures.read_text()) == {"queries": 2, "solutions": 2, "refused": 2}


def test_a_query_above_what_the_system_takes_is_refused_with_its_size(tmp_path: Path) -> None:
    file, output = tmp_path / "set.jsonl", tmp_path / "queries.jsonl"
    large = json.dumps({"inputs": ["1" * 9_000_000], "outputs": ["1"]})
    file.write_text(json.dumps({**APPS, "input_output": large}) + "\n\n" + json.dumps(APPS) + "\n")
    said = command("import", "apps", file, "--output", output)
    assert said.returncode == 3
    assert "line 1: tests: '9,0" in said.stderr
    assert len(written(output)) == 1
