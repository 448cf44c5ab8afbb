"""Proves that what a live system drew is exported whole, and evaluated, replayed and imported again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adaqueue import Query, RecordedSample, Recording
from adaqueue.cli import app
from adaqueue.errors import SettingsError
from tests.e2e.live import System, command, recorded_many

EIGHT = 8


@pytest.fixture(scope="module")
def system(place: Path) -> Iterator[System]:
    """A system that has answered the same queries under two policies, and some whose verifier cannot tell."""
    found = System(place / "data", b_max=EIGHT).up()
    for policy in ("uniform", "sequential"):
        with found.connect(run=policy, policy=policy, average_budget=EIGHT, batch=True) as queue:
            receipts = queue.enqueue_many([*recorded_many("export", 60, EIGHT), texts()])
            list(queue.as_completed(receipts))
    with found.connect(run="votes", policy="uniform", average_budget=4, batch=True) as queue:
        recording = Recording(tuple(RecordedSample(f"The answer is {n}.", None) for n in (1, 1, 2, 3)))
        query = Query("math", "What is it?", id="vote", recording=recording)
        queue.enqueue(query).result(timeout=100)
    yield found
    found.stop()


def texts() -> Query:
    """A query whose samples have texts and tokens."""
    samples = tuple(RecordedSample(f"said {n}", float(n == 3), 10 + n) for n in range(EIGHT))
    query = Query("math", "What is said?", reference="3", id="texts", recording=Recording(samples))
    return Query(**{**_fields(query), "metadata": {"level": 5}})


def _fields(query: Query) -> dict[str, Any]:
    names = ("domain", "prompt", "reference", "id", "recording")
    return {name: getattr(query, name) for name in names}


def run(*arguments: object) -> Result:
    """A command in this process: starting one of its own takes longer than what it does."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def exported(system: System, tmp_path: Path, *arguments: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    file, figures = tmp_path / "outcomes.jsonl", tmp_path / "figures.json"
    said = command("export", *arguments, "--output", file, "--json", figures, "--data-folder", system.folder)
    assert said.returncode == 0, said.stderr
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return rows, json.loads(figures.read_text())


def test_outcomes_of_a_uniform_run_are_the_samples_that_were_drawn_and_are_evaluated(
    system: System, tmp_path: Path
) -> None:
    rows, figures = exported(system, tmp_path, "uniform")
    assert figures == {
        **{"runs": 1, "queries": 61, "samples": 61 * EIGHT, "stopped": 0, "unverified": 0, "left_out": {}}
    }
    found = {row["id"]: row for row in rows}
    for query in recorded_many("export", 60, EIGHT):
        assert query.recording is not None
        drawn = [sample["reward"] for sample in found[str(query.id)]["samples"]]
        assert drawn == [sample.reward for sample in query.recording.samples]
    assert found["texts"] == {
        "id": "texts",
        "domain": "math",
        "prompt": "What is said?",
        "reference": "3",
        "model": "replay",
        "samples": [{"text": f"said {n}", "reward": float(n == 3), "tokens": 10 + n} for n in range(EIGHT)],
        "metadata": {"level": 5},
    }
    said = command(
        *("evaluate", tmp_path / "outcomes.jsonl", "--seeds", 1, "--folds", 2, "--budgets", "1,2"),
        *("--json", tmp_path / "evaluated.json"),
    )
    assert said.returncode == 0, said.stderr
    evaluated = json.loads((tmp_path / "evaluated.json").read_text())
    assert (evaluated["queries"], evaluated["refused"], evaluated["samples"]) == (61, 0, EIGHT)


def test_outcomes_that_ended_at_a_success_say_so_and_are_not_evaluated(
    system: System, tmp_path: Path
) -> None:
    rows, figures = exported(system, tmp_path, "sequential", "--domain", "math")
    assert figures["stopped"] == figures["queries"] == 61
    assert all(row["stopped"] for row in rows)
    said = run("evaluate", tmp_path / "outcomes.jsonl", "--json", tmp_path / "evaluated.json")
    assert said.exit_code == 3
    assert "line 1: stopped: True: its number of samples depended on their rewards" in said.stderr


def test_votes_are_no_rewards_and_every_run_is_exported_at_once(system: System, tmp_path: Path) -> None:
    rows, figures = exported(system, tmp_path, "--last")
    assert rows == []
    assert figures["unverified"] == 4
    assert figures["left_out"] == {"no verified sample": 1}
    rows, figures = exported(system, tmp_path, "--all")
    assert (len(rows), figures["runs"]) == (122, 3)
    assert exported(system, tmp_path, "uniform", "--domain", "code")[0] == []


@pytest.mark.parametrize("format_", ["lm-eval", "inspect"])
def test_other_formats_come_back_through_our_own_importers(
    system: System, tmp_path: Path, format_: str
) -> None:
    file, back = tmp_path / "samples_uniform.json", tmp_path / "back.jsonl"
    where = ("--output", file, "--data-folder", system.folder)
    said = run("export", "uniform", "--format", format_, *where)
    assert said.exit_code == 0, said.stderr
    said = run("import", format_, file, "--output", back)
    assert said.exit_code == 0, said.stderr
    rows, _ = exported(system, tmp_path, "uniform")
    again = [json.loads(line) for line in back.read_text().splitlines()]
    rewards = [[sample["reward"] for sample in row["samples"]] for row in again]
    assert rewards == [[sample["reward"] for sample in row["samples"]] for row in rows]
    assert again[-1]["samples"][3]["text"] == "said 3"
    assert again[-1]["reference"] == "3"
    if format_ == "inspect":
        assert again[-1]["samples"] == rows[-1]["samples"]


def test_a_run_that_is_not_there_or_not_named_is_refused_in_words(system: System, tmp_path: Path) -> None:
    where = ("--output", tmp_path / "x", "--data-folder", system.folder)
    cases: list[tuple[tuple[str, ...], str]] = [
        (("nowhere",), "run: 'nowhere': the ledger has none"),
        ((), "name one run"),
        (("uniform", "--last"), "name one run"),
        (("--all", "--format", "inspect"), "such a log is of one run"),
    ]
    for arguments, words in cases:
        said = run("export", *arguments, *where)
        assert isinstance(said.exception, SettingsError)
        assert words in str(said.exception)
    assert not (tmp_path / "x").exists()
