"""Proves that `adaqueue run` answers a whole file, says which line is bad and why, and outlives any kill."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from adaqueue import Answer, Query
from adaqueue.adapters.system_status import read_status
from tests.e2e.books import check_answers, check_ledger
from tests.e2e.live import (
    COMMAND,
    SHORT_TIMES,
    System,
    command,
    environment,
    eventually,
    first_success,
    kill_everything,
    processes_of,
    recorded,
)

KEYS = ["id", "text", "reward", "verified", "budget", "samples_used", "abstained", "outcome"]
OUTPUTS = {"answers.jsonl", "out.json"}


@pytest.fixture
def folder(place: Path, tmp_path: Path) -> Path:
    """Where one test's command has its temporary files and writes its answers."""
    folder = place / tmp_path.name
    folder.mkdir(mode=0o755)
    return folder


def run(folder: Path, file: Path, *options: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return command("run", file, *_outputs(folder), *options, temporary=folder, **SHORT_TIMES, **settings)


def start(folder: Path, file: Path) -> subprocess.Popen[bytes]:
    """Starts the command, with windows so small that it can be caught in the middle."""
    return subprocess.Popen(
        [COMMAND, "run", file, *_outputs(folder)],
        env=environment({**SHORT_TIMES, "window_queries": 20}, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _outputs(folder: Path) -> list[str | Path]:
    return ["--engine", "replay", "--output", folder / "answers.jsonl", "--json", folder / "out.json"]


def own_system_of(process: subprocess.Popen[bytes], folder: Path) -> System:
    """The system that a command started for itself, once its ledger can be asked."""

    def found() -> list[Path]:
        assert process.poll() is None, "the command ended early"
        return [roster.parent for roster in folder.glob("*/processes.json") if _has_workers(roster.parent)]

    return System(eventually(found, "the command's own system has workers")[0])


def _has_workers(folder: Path) -> bool:
    status = read_status(folder)
    running = {process.name for process in status.processes if process.pid is not None}
    return status.supervisor_pid is not None and "sampler" in running


def wait_for_some_answers(system: System) -> None:
    eventually(
        lambda: system.ask("SELECT 1 FROM queries WHERE state = 'closed' OFFSET 20 LIMIT 1"),
        "some queries have ended",
    )


def rows_of(file: Path) -> list[dict[str, Any]]:
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


def row(name: str, **fields: object) -> dict[str, Any]:
    recording = recorded(name).recording
    assert recording is not None
    rewards = [sample.reward for sample in recording.samples]
    return {"id": name, "domain": "math", "prompt": f"What is {name}?", "rewards": rewards, **fields}


def write(file: Path, lines: Sequence[object]) -> Path:
    """Writes lines: texts as they are, other things as JSON."""
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return file


def left_behind(folder: Path) -> list[str]:
    """What the command left besides its outputs: names of files and processes."""
    files = [path.name for path in folder.iterdir() if path.name not in OUTPUTS]
    return files + [process.name() for process in processes_of(folder)]


def test_recorded_programs_are_verified_by_real_tests(shared: Path, folder: Path) -> None:
    file = shared / "data" / "humaneval_codegen16b.jsonl.gz"
    said = run(folder, file, "--average-budget", "2", "--policy", "uniform")
    assert said.returncode == 0, said.stderr
    asked, answers = rows_of(file), rows_of(folder / "answers.jsonl")
    assert [answer["id"] for answer in answers] == [query["id"] for query in asked]
    assert all(answer["samples_used"] == 2 and answer["text"] is not None for answer in answers)
    expected = sum(1 - (1 - query["successes"] / 100) ** 2 for query in asked)
    verified = sum(answer["verified"] for answer in answers)
    assert abs(verified - expected) < 0.1 * len(asked)
    impossible = {query["id"] for query in asked if query["successes"] == 0}
    assert [answer["id"] for answer in answers if answer["verified"] and answer["id"] in impossible] == []


def test_each_style_of_tests_tells_right_programs_from_wrong_ones(folder: Path) -> None:
    prompt = 'def f(x):\n    """Double x."""\n    return'
    check = "def check(candidate):\n    assert candidate(4) == 8\n"
    references = {
        "stdin": {"style": "stdin", "tests": [["4\n", "8\n"]]},
        "function": {"style": "function", "entry": "f", "tests": [{"args": [4], "expected": 8}]},
        "assert": {"style": "assert", "entry": "f", "check": check},
    }
    programs = {"right": "print(2 * int(input()))", "wrong": "print(int(input()))"}
    bodies = {"right": " 2 * x", "wrong": " x"}
    rows = [
        {
            "id": f"{style} {kind}",
            "domain": "code",
            "prompt": prompt,
            "reference": reference,
            "samples": [{"text": f"```\n{programs[kind]}\n```" if style == "stdin" else bodies[kind]}],
        }
        for style, reference in references.items()
        for kind in ("right", "wrong")
    ]
    broken = {**rows[0], "id": "broken", "reference": {"style": "stdin"}}
    said = run(folder, write(folder / "queries.jsonl", [*rows, broken]), "--average-budget", "1")
    assert said.returncode == 3
    assert "line 7: reference.tests: None: the style stdin needs it" in said.stderr
    answers = {answer["id"]: answer["verified"] for answer in rows_of(folder / "answers.jsonl")}
    assert answers == {row["id"]: str(row["id"]).endswith("right") for row in rows}


def test_a_file_of_recorded_outcomes_is_answered_whole_and_in_order(shared: Path, folder: Path) -> None:
    file = shared / "data" / "gsm8k_weak_mixture.jsonl.gz"
    said = run(folder, file, "--average-budget", "4")
    assert said.returncode == 0, said.stderr
    asked, answers = rows_of(file), rows_of(folder / "answers.jsonl")
    assert len(answers) == 1_319
    assert [answer["id"] for answer in answers] == [query["id"] for query in asked]
    assert all(list(answer) == KEYS for answer in answers)
    for query, answer in zip(asked, answers, strict=True):
        drawn = query["rewards"][: answer["samples_used"]]
        assert answer["samples_used"] == answer["budget"]
        assert answer["verified"] == any(drawn)
        assert answer["reward"] == max(drawn, default=None)
        assert answer["outcome"] == ("answered" if drawn else "abstained")
        assert answer["text"] == (None if drawn else "I don't know")
    figures = json.loads((folder / "out.json").read_text())
    needed = sum(first_success(Query.from_row(query)) for query in asked)
    assert needed > 4 * 1_319
    assert sum(answer["samples_used"] for answer in answers) == figures["samples"] == 4 * 1_319
    assert figures["verified"] == sum(answer["verified"] for answer in answers)
    assert figures["queries"] == figures["answered"] + figures["abstained"] == 1_319
    assert figures["refused"] == figures["failed"] == 0
    assert left_behind(folder) == []


def test_bad_rows_are_named_by_line_and_reason_and_the_others_are_answered(
    folder: Path, tmp_path: Path
) -> None:
    bare = {"id": "bare", "domain": "math", "prompt": "What is 2 + 2?", "reference": "4"}
    bad: dict[int, tuple[object, str]] = {
        2: ('{"id": "cut off', "is no JSON"),
        3: (row("unknown field", colour="red"), "colour: 'red': unknown field"),
        4: (row("urgent", priority=3), "priority: 3: not yet"),
        5: (json.dumps(row("NaN")).replace("[", "[NaN, "), "number: 'NaN': is not a finite number"),
        6: (row("empty", prompt=" "), "prompt: ' ': is empty"),
        8: (row("good 1", prompt="What else?"), "id: 'good 1': was given before in this run"),
        9: (bare, "recording: None: the replay engine needs recorded samples"),
        10: ("[1, 2]", "row: [1, 2]: give a JSON object"),
        11: (bare | {"reference": "$$", "samples": [{"text": "4"}]}, "the last one: not verified"),
    }
    good = {1: row("good 1"), 7: row("good 2"), 12: "", 13: row("good 3")}
    lines = good | {line: text for line, (text, _) in bad.items()}
    file = write(tmp_path / "queries.jsonl", [lines[line] for line in sorted(lines)])
    said = run(folder, file, most_failures=1)
    assert said.returncode == 3, said.stderr
    reported = [line for line in said.stderr.splitlines() if line.startswith("line ")]
    assert len(reported) == len(bad)
    for text, (line, (_, reason)) in zip(reported, bad.items(), strict=True):
        assert text.startswith(f"line {line}: ")
        assert reason in text
    ended = [(answer["id"], answer["outcome"]) for answer in rows_of(folder / "answers.jsonl")]
    for name in ("good 1", "good 2", "good 3"):
        assert (name, "answered") in ended
    assert ("bare", "dead_lettered") in ended
    figures = json.loads((folder / "out.json").read_text())
    assert (figures["answered"], figures["refused"], figures["failed"]) == (3, len(bad) - 1, 1)
    assert left_behind(folder) == []


def test_a_missing_file_is_an_error_that_names_it(folder: Path) -> None:
    said = run(folder, folder / "nothing.jsonl")
    assert said.returncode == 1
    assert "nothing.jsonl" in said.stderr
    assert "Traceback" not in said.stderr
    assert left_behind(folder) == []


def test_an_unknown_policy_is_refused_with_the_known_ones(folder: Path, tmp_path: Path) -> None:
    said = run(folder, write(tmp_path / "queries.jsonl", [row("a")]), "--policy", "clever")
    assert said.returncode == 1
    assert "policy: 'clever': Input should be 'sequential', 'uniform_early_stop', " in said.stderr
    assert left_behind(folder) == []


def test_a_run_whose_every_process_was_killed_goes_on_and_draws_nothing_twice(
    shared: Path, folder: Path
) -> None:
    file = shared / "data" / "gsm8k_weak_mixture.jsonl.gz"
    samples = "SELECT query_id, number, allocation_id, attempt, created_at::text FROM samples"
    killed = start(folder, file)
    system = own_system_of(killed, folder)
    wait_for_some_answers(system)
    before = set(system.ask(samples))
    kill_everything(folder)
    killed.wait()
    assert not (folder / "answers.jsonl").exists()

    again = start(folder, file)
    assert own_system_of(again, folder).folder == system.folder
    # the sampler sleeps until the command does, which deletes the ledger when it has all answers
    sampler = system.find("sampler")
    sampler.suspend()
    all_given = "SELECT count(*) = 1319 AND bool_and(r.sealed_queries = 1319) FROM queries, runs r"
    eventually(lambda: system.ask(all_given) == [(True,)], "all queries were given")
    again.send_signal(signal.SIGSTOP)
    sampler.resume()
    asked = [Query.from_row(line) for line in rows_of(file)]
    ended = "SELECT count(*) FROM queries WHERE state = 'closed'"
    eventually(lambda: system.ask(ended) == [(1_319,)], "all queries have ended")
    assert before <= set(system.ask(samples))
    ((run_id,),) = system.ask("SELECT id FROM runs")
    check_ledger(system, run_id, asked)

    again.send_signal(signal.SIGCONT)
    assert again.wait() == 0
    lines = rows_of(folder / "answers.jsonl")
    check_answers(asked, [Answer(**{key: line[key] for key in KEYS[:-1]}) for line in lines])
    assert [line["id"] for line in lines] == [query.id for query in asked]
    assert left_behind(folder) == []


def test_a_run_whose_command_alone_was_killed_goes_on_at_once(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "queries.jsonl", [row(f"query {number}") for number in range(400)])
    killed = start(folder, file)
    wait_for_some_answers(own_system_of(killed, folder))
    killed.kill()
    killed.wait()
    said = run(folder, file)
    assert said.returncode == 0, said.stderr
    answers = rows_of(folder / "answers.jsonl")
    assert [answer["id"] for answer in answers] == [line["id"] for line in rows_of(file)]
    needed = sum(first_success(Query.from_row(line)) for line in rows_of(file))
    assert sum(answer["samples_used"] for answer in answers) == needed < 4 * 400
    assert left_behind(folder) == []


def test_a_run_whose_system_was_killed_says_so_and_goes_on_when_given_again(
    folder: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "queries.jsonl", [row(f"query {number}") for number in range(400)])
    deserted = start(folder, file)
    system = own_system_of(deserted, folder)
    wait_for_some_answers(system)
    supervisor = read_status(system.folder).supervisor_pid
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    assert deserted.wait(timeout=60) == 1
    said = run(folder, file)
    assert said.returncode == 0, said.stderr
    assert len(rows_of(folder / "answers.jsonl")) == 400
    assert left_behind(folder) == []
