"""Proves that `adaqueue import` writes queries that pass the gate, and that bad records stop no others."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from adaqueue.cli import app
from adaqueue.errors import SettingsError
from tests.core.test_data_sets import GSM8K, NUMINA
from tests.core.test_importers import APPS, HUMANEVAL, LIVE, MBPP, SANITIZED, TACO, packed
from tests.e2e.live import command

DATA = Path(__file__).parents[1] / "data"


def run(*arguments: object) -> Result:
    """A command in this process: starting one of its own takes longer than what it does."""
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


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
    assert json.loads(figures.read_text()) == {"queries": 2, "solutions": 2, "refused": 2, "left_out": {}}


def test_a_query_above_what_the_system_takes_is_refused_with_its_size(tmp_path: Path) -> None:
    file, output = tmp_path / "set.jsonl", tmp_path / "queries.jsonl"
    large = json.dumps({"inputs": ["1" * 9_000_000], "outputs": ["1"]})
    file.write_text(json.dumps({**APPS, "input_output": large}) + "\n\n" + json.dumps(APPS) + "\n")
    said = command("import", "apps", file, "--output", output)
    assert said.returncode == 3
    assert "line 1: tests: '9,0" in said.stderr
    assert len(written(output)) == 1


def test_what_the_filter_leaves_out_is_counted_by_reason_and_kept_on_demand(tmp_path: Path) -> None:
    file, output, figures = tmp_path / "numina.jsonl", tmp_path / "queries.jsonl", tmp_path / "figures.json"
    others = [{**NUMINA, "solution": r"\boxed{B}"}, {**NUMINA, "solution": "none"}, {"problem": "?"}]
    file.write_text("".join(json.dumps(record) + "\n" for record in [NUMINA, *others]))
    said = run("numina-cot", file, "--output", output, "--json", figures)
    assert said.exit_code == 3
    assert "line 4: solution: None" in said.stderr
    assert "left out: 1 multiple choice, 1 no boxed answer" in said.stderr
    assert json.loads(figures.read_text())["left_out"] == {"multiple choice": 1, "no boxed answer": 1}
    run("numina-cot", file, "--output", output, "--unfiltered")
    assert [row["reference"] for row in written(output)] == [r"\frac{3}{2}", "B"]


def test_a_seed_decides_the_order_a_limit_how_many_and_a_template_the_prompt(tmp_path: Path) -> None:
    file, output, template = tmp_path / "a.jsonl", tmp_path / "queries.jsonl", tmp_path / "template.txt"
    records = [{**GSM8K, "question": f"How many are {n}?"} for n in range(1_500)]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    template.write_text("Q: {question}")

    def prompts(*options: object) -> list[str]:
        said = run("gsm8k", file, "--template", template, "--output", output, *options)
        assert said.exit_code == 0, said.stderr
        return [row["prompt"] for row in written(output)]

    assert prompts("--limit", 2) == ["Q: How many are 0?", "Q: How many are 1?"]
    mixed = prompts("--seed", 1)
    assert sorted(mixed) == sorted(prompts())
    assert prompts("--seed", 1, "--limit", 10) == mixed[:10]
    assert prompts("--seed", 2, "--limit", 10) != mixed[:10]


def test_logs_of_others_are_imported_file_by_file_and_evaluated(tmp_path: Path) -> None:
    output = tmp_path / "outcomes.jsonl"
    files = sorted(DATA.glob("samples_sums_*.jsonl"))
    said = run("lm-eval", *files, "--filter", "strict", "--model", "chance", "--output", output)
    assert said.exit_code == 0, said.stderr
    assert "3 queries with 6 samples; 0 refused" in said.stderr
    assert {row["model"] for row in written(output)} == {"chance"}
    said = run("inspect", DATA / "inspect_sums.eval", "--metric", "match", "--output", output)
    assert said.exit_code == 0, said.stderr
    assert [len(row["samples"]) for row in written(output)] == [3, 3, 3]
    broken = tmp_path / "samples_sums.jsonl"
    broken.write_text(files[0].read_text() + "{}\n")
    said = run("lm-eval", broken, "--filter", "plain", "--output", output)
    assert said.exit_code == 3
    assert "line 7: doc_id" in said.stderr


def test_an_option_that_says_nothing_is_refused_and_every_set_is_listed(tmp_path: Path) -> None:
    output = ("--output", tmp_path / "x")
    cases: list[tuple[tuple[object, ...], str]] = [
        (("lm-eval", "a", "--limit", 1), "limit: 1: says nothing for lm-eval"),
        (("gsm8k", "a", "--metric", "m"), "metric: 'm': says nothing for gsm8k"),
        (("gsm8k", "a", "--split", "train"), "split: 'train': says nothing of a file"),
        (("gsm8k", "a", "--template", "Q"), "write {question} where the question goes"),
        (("inspect",), "name at least one"),
    ]
    for arguments, words in cases:
        found = run(*arguments, *output).exception
        assert isinstance(found, SettingsError)
        assert words in str(found)
    said = run("--list")
    assert said.exit_code == 0
    for words in ("AI-MO/NuminaMath-CoT", "lmsys/lmsys-chat-1m", "harmless-base", "CC-BY-4.0"):
        assert words in said.output
