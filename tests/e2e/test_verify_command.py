"""Proves that `adaqueue verify` gives each line its verdict in order, and that the gate keeps what passes."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from adaqueue.errors import VerifierError
from adaqueue.settings import load_settings
from adaqueue.wiring.verification import own_sandboxes
from tests.e2e.live import COMMAND, command, environment, eventually

ADD = {"style": "stdin", "tests": [["1 2\n", "3\n"], ["10 20\n", "30\n"]]}
RIGHT = "print(sum(map(int, input().split())))"
HALF = "print(3)"
ROWS: list[dict[str, Any]] = [
    {"code": RIGHT, "reference": ADD, "id": "right", "kept": [1, None, "é"]},
    {"code": HALF, "reference": ADD},
    {"response": f"I would say:\n```python\n{RIGHT}\n```\n", "prompt": "Add.", "reference": ADD},
    {
        "response": "    return a + b\nprint('more')",
        "prompt": "def add(a, b):\n",
        "reference": {"style": "function", "entry": "add", "tests": [{"args": [1, 2], "expected": 3}]},
    },
    {"code": RIGHT, "reference": ADD, "limits": {"gpu": 1}},
    {"code": "print('x' * 99_999)", "reference": ADD, "limits": {"output_bytes": 9_999, "cpu_seconds": 2}},
    {"code": "print(\x00\ud800", "reference": ADD},
]


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def verify(*arguments: object, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "verify", *map(str, arguments)],
        env=environment({}),
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def test_each_line_comes_back_with_its_verdict_in_order_and_a_bad_one_with_its_fault() -> None:
    said = verify("code", "-", text=lines(ROWS[:5]) + "\nno JSON\n" + lines(ROWS[5:]))
    found = [json.loads(line) for line in said.stdout.splitlines()]
    assert [row["verdict"] for row in found] == [
        *("passed", "wrong_answer", "passed", "passed", None, None),
        *("output_limit", "runtime_error"),
    ]
    assert found[1]["tests"] == ["passed", "wrong_answer"]
    assert found[2]["route"] == "stdin"
    assert found[3]["route"] == "function"
    good = [row for row in found if row["verdict"] is not None]
    assert all(row["tier"] in ("A", "B") and row["seconds"] > 0 for row in good)
    assert "line 5: limits.gpu" in found[4]["error"]
    assert "line 7: row: 'no JSON" in found[5]["error"]
    kept = [{name: row[name] for name in given} for given, row in zip(ROWS[:5], found, strict=False)]
    assert kept == ROWS[:5]
    assert "8 lines" in said.stderr
    assert said.returncode == 3


def test_a_compressed_file_is_read_and_figures_are_written_and_the_taco_comparison_is_marked(
    tmp_path: Path,
) -> None:
    rows = [{"code": "print(12)", "reference": {"style": "stdin", "tests": [["", "1 2"], ["", "1"]]}}] * 40
    with gzip.open(tmp_path / "rows.jsonl.gz", "wt") as file:
        file.write(lines(rows))
    output, figures = tmp_path / "out.jsonl", tmp_path / "figures.json"
    said = verify(
        *("code", tmp_path / "rows.jsonl.gz", "--output", output, "--json", figures),
        *("--comparison", "taco", "--sandboxes", 1, "--first-failure"),
    )
    assert said.returncode == 0, said.stderr
    assert {(row["route"], *row["tests"]) for row in written(output)} == {
        ("stdin:taco", "passed", "wrong_answer")
    }
    assert json.loads(figures.read_text())["verdicts"] == {"wrong_answer": 40}


def test_lines_and_figures_do_not_share_stdout_and_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = command("verify", "code", tmp_path / "none.jsonl", "--json", "-")
    assert (said.returncode, said.stdout) == (1, "")
    assert "give --output FILE" in said.stderr
    said = command("verify", "code", tmp_path / "none.jsonl")
    assert (said.returncode, said.stdout) == (1, "")
    assert "none.jsonl" in said.stderr


def test_math_answers_come_back_in_order_and_one_that_would_take_for_ever_holds_up_nobody() -> None:
    endless = r"\boxed{\sum_{k=1}^{10^{12}} \frac{1}{k^{3}+\sin k}}"
    rows = [
        {"gold": r"\frac{25}{2}", "response": r"It is \boxed{12.5}.", "id": "right"},
        {"gold": "7", "response": endless},
        {"gold": "(x+1)^2", "response": r"\boxed{x^2+2x+1}"},
        {"response": "7"},
        {"gold": "7", "response": r"\boxed{8}"},
        {"gold": "a cat", "response": "The answer is some animal that purrs."},
    ]
    said = verify("math", "-", "--workers", 1, text=lines(rows))
    found = [json.loads(line) for line in said.stdout.splitlines()]
    assert [row["equal"] for row in (found[0], *found[2:])] == [True, True, None, False, None]
    assert found[1]["equal"] is not True
    assert [found[n]["route"] for n in (0, 2, 4, 5)] == ["number", "symbolic", "number", "unmarked"]
    assert "line 4: gold" in found[3]["error"]
    assert found[0]["id"] == "right"
    assert said.returncode == 3
    said = verify("math", "-", "--paper-exact", text=lines(rows[:1]))
    assert [json.loads(said.stdout)[name] for name in ("equal", "route")] == [None, "undecided"]
    assert said.returncode == 0


def test_the_gate_keeps_rows_whose_solutions_pass_and_lists_the_others(tmp_path: Path) -> None:
    def query(name: str, **reference: object) -> dict[str, Any]:
        return {"id": name, "domain": "code", "prompt": "Add.", "reference": {**ADD, **reference}}

    rows = [
        query("right", solution=RIGHT),
        query("wrong", solution=HALF),
        query("none"),
        {"id": "math", "domain": "math", "prompt": "1 + 1?", "reference": "2"},
        {**query("last", solution=RIGHT), "n": 3, "successes": 1},
    ]
    file, output, figures = tmp_path / "rows.jsonl", tmp_path / "kept.jsonl", tmp_path / "figures.json"
    file.write_text(lines(rows))
    said = verify("gate", file, "--output", output, "--json", figures)
    assert said.returncode == 3
    assert output.read_text() == lines([rows[0], rows[4]])
    assert "line 2, wrong: wrong_answer" in said.stderr
    assert "line 3, none: no_solution" in said.stderr
    assert "line 4: refused: reference" in said.stderr
    kept_out = json.loads(figures.read_text())["kept_out"]
    assert [row["verdict"] for row in kept_out] == ["wrong_answer", "no_solution", "refused"]
    file.write_text(lines([rows[0], rows[2]]))
    assert verify("gate", file).returncode == 0


def test_sandboxes_that_cannot_start_say_why() -> None:
    settings = load_settings(environment={}, sandboxes=1).model_copy(update={"test_cpu_seconds": -1.0})
    with pytest.raises(VerifierError, match=r"(?s)ended before it served.*test_cpu_seconds"):
        own_sandboxes(settings).__enter__()


def test_a_killed_command_leaves_no_sandbox_behind() -> None:
    slow = {"code": "import time; time.sleep(60)", "reference": ADD, "limits": {"cpu_seconds": 60}}
    with subprocess.Popen(
        [COMMAND, "verify", "code", "-", "--sandboxes", "1"],
        env=environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(lines([slow]).encode())
        process.stdin.flush()
        sandbox = eventually(lambda: sandboxes_of(process.pid), "a sandbox")[0]
        process.kill()
        psutil.wait_procs([sandbox], timeout=60)
    assert not sandbox.is_running()


def test_an_interrupted_command_ends_at_once_and_its_sandboxes_with_it(tmp_path: Path) -> None:
    slow = {"code": "import time; time.sleep(60)", "reference": ADD, "limits": {"cpu_seconds": 60}}
    file = tmp_path / "rows.jsonl"
    file.write_text(lines([slow] * 50))
    with subprocess.Popen(
        [COMMAND, "verify", "code", file, "--sandboxes", "1"], env=environment({}), stdout=subprocess.PIPE
    ) as process:
        sandbox = eventually(lambda: sandboxes_of(process.pid), "a sandbox")[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(50) == 130
    assert not sandbox.is_running()


def sandboxes_of(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children()
    return [child for child in children if "workers.sandbox" in child.cmdline()]


def test_sandboxes_of_one_s_own_end_with_the_block_and_leave_no_folder() -> None:
    with own_sandboxes(load_settings(environment={}, sandboxes=2)) as verifier:
        own = sandboxes_of(os.getpid())
        assert len(own) == 2
        assert verifier.limits.cpu_seconds == 10
    assert not any(child.is_running() for child in own)
    assert not verifier.folder.exists()
