"""In each tier, as root and as an ordinary user, attacks get a right verdict and demanding programs pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.other_user import UID, Copy, copy_for_everybody

RUNNER = Path(__file__).with_name("sandbox_runner.py")
ATTACKS = Path(__file__).with_name("attacks.jsonl")
DEMANDING = Path(__file__).with_name("demanding_programs.jsonl")
USERS = ("itself", "other") if os.geteuid() == 0 else ("itself",)
WAYS = [(tier, user) for tier in ("A", "B") for user in USERS]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    folder = tmp_path_factory.mktemp("copy")
    for above in (folder, *folder.parents[:2]):
        above.chmod(0o755)  # pytest keeps its folders to its own user
    return copy_for_everybody(folder)


def start(copy: Copy, way: tuple[str, str], file: Path, cpu_seconds: int) -> subprocess.Popen[str]:
    tier, user = way
    python = copy.python if user == "other" else Path(sys.executable)
    who = UID if user == "other" else None
    return subprocess.Popen(
        [python, copy.place(RUNNER), tier, copy.place(file), str(cpu_seconds), "2"],
        env=copy.environment,
        cwd="/",
        stdout=subprocess.PIPE,
        text=True,
        user=who,
        group=who,
        extra_groups=None if who is None else [],
    )


def results(copy: Copy, file: Path, cpu_seconds: int) -> dict[str, dict[str, list[str]]]:
    """Returns what the runner found in each way, all of them at once: most attacks wait for their limit."""
    runners = {f"{tier}, {user}": start(copy, (tier, user), file, cpu_seconds) for tier, user in WAYS}
    said = {way: runner.communicate()[0] for way, runner in runners.items()}
    assert {way: runner.returncode for way, runner in runners.items()} == dict.fromkeys(runners, 0)
    return {way: json.loads(text) for way, text in said.items()}


def wrong(copy: Copy, suite: Path) -> list[tuple[str, str, str, str]]:
    """Returns attacks whose verdict is not accepted, or after which a clean program did not pass."""
    accepted = {row["name"]: row["accepted"] for row in map(json.loads, suite.read_text().splitlines())}
    found = results(copy, suite, 1)
    assert {way: len(verdicts) for way, verdicts in found.items()} == dict.fromkeys(found, len(accepted))
    return [
        (way, name, verdict, clean)
        for way, verdicts in found.items()
        for name, (verdict, clean) in verdicts.items()
        if verdict not in accepted[name] or clean != "passed"
    ]


def test_each_attack_gets_a_right_verdict_and_a_clean_program_passes_after_it(copy: Copy) -> None:
    assert wrong(copy, ATTACKS) == []


def test_each_attack_of_the_suite_beside_this_repository_gets_a_right_verdict(
    copy: Copy, shared: Path
) -> None:
    assert wrong(copy, shared / "suites" / "sandbox_attacks.jsonl") == []


def test_demanding_programs_pass(copy: Copy) -> None:
    count = len(DEMANDING.read_text().splitlines())
    found = results(copy, DEMANDING, 10)
    assert {way: len(verdicts) for way, verdicts in found.items()} == dict.fromkeys(found, count)
    failed = [
        (way, name, said)
        for way, verdicts in found.items()
        for name, said in verdicts.items()
        if said != ["passed", "passed"]
    ]
    assert failed == []
