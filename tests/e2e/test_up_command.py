"""Proves that `adaqueue up`, `status` and `down` keep one system to a folder, and end it without remains."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from adaqueue.adapters.process_roster import MARK, read_roster
from tests.e2e.books import check_books
from tests.e2e.live import (
    HOLDS_CLAIMS,
    System,
    command,
    eventually,
    kill_everything,
    processes_of,
    recorded_many,
)

# more than two engine responses of 1,024 samples
HOLDS_MANY_UNDRAWN_SAMPLES = """
SELECT coalesce(sum(a.budget - (SELECT count(*) FROM samples s WHERE s.allocation_id = a.id)), 0) > 2500
FROM allocations a WHERE a.state = 'running'
"""
NAMES = ["redis", "postgres", "scheduler", "sandbox-1", "sandbox-2", "verifier", "sampler"]


@pytest.fixture(scope="module")
def up(place: Path) -> Iterator[System]:
    """A system that stays up for the tests that only look at it."""
    system = System(place / "up").up()
    yield system
    assert system.stop() == 0
    assert processes_of(system.folder) == []


@pytest.fixture
def down(place: Path) -> Iterator[System]:
    """A system that each test starts and ends itself; its data stay from test to test."""
    system = System(place / "down", window_queries=50)
    yield system
    remains = processes_of(system.folder)
    kill_everything(system.folder)
    assert remains == []


def remember(system: System, word: str) -> None:
    """Leaves a query in the ledger whose answer a later system must still know."""
    with system.connect(run=word, average_budget=1) as queue:
        queue.enqueue_many(recorded_many(word, 1))[0].result(timeout=60)


def remembered(system: System, word: str) -> bool:
    return system.ask(
        "SELECT q.state, a.budget FROM runs r JOIN queries q ON q.run_id = r.id "
        "JOIN answers a ON a.query_id = q.id WHERE r.name = %s",
        word,
    ) == [("closed", 1)]


def test_status_shows_every_process_of_a_system_that_is_up(up: System) -> None:
    words = command("status", "--data-folder", up.folder)
    assert words.returncode == 0
    assert words.stdout.startswith(f"up, supervisor pid {up.process.pid}")
    figures = command("status", "--data-folder", up.folder, "--json", "-")
    assert figures.returncode == 0
    said = json.loads(figures.stdout)
    assert said["supervisor_pid"] == up.process.pid
    assert [(process["name"], process["state"]) for process in said["processes"]] == [
        (name, "running") for name in NAMES
    ]
    for process in said["processes"]:
        assert process["name"] in words.stdout
        assert psutil.pid_exists(process["pid"])
        assert Path(process["log"]).read_text()


def test_a_second_system_on_the_same_folder_is_refused_and_harms_nothing(up: System) -> None:
    second = command("up", "--data-folder", up.folder, "--engine", "replay")
    assert second.returncode == 1
    assert f"is held by process {up.process.pid}: it is up already" in second.stderr
    assert "Traceback" not in second.stderr
    remember(up, "after a second up")
    assert remembered(up, "after a second up")


def test_a_file_is_answered_by_the_system_that_is_up_and_which_stays_up(up: System, tmp_path: Path) -> None:
    file = tmp_path / "queries.jsonl"
    rows = [{"id": str(n), "domain": "math", "prompt": "?", "n": 10, "successes": n} for n in range(10)]
    file.write_text("\n".join(map(json.dumps, rows)))
    said = command("run", file, "--data-folder", up.folder, "--engine", "replay", "--output", "-")
    assert said.returncode == 0, said.stderr
    assert [json.loads(line)["id"] for line in said.stdout.splitlines()] == [row["id"] for row in rows]
    assert up.process.poll() is None


def test_ctrl_c_and_sigterm_stop_everything_and_keep_the_data(down: System) -> None:
    remember(down.up(), "before Ctrl-C")
    os.killpg(down.process.pid, signal.SIGINT)  # a terminal sends it to all that it sees
    assert down.process.wait() == 0
    assert processes_of(down.folder) == []
    assert command("status", "--data-folder", down.folder).returncode == 1
    assert remembered(down.up(), "before Ctrl-C")
    assert down.stop() == 0
    assert processes_of(down.folder) == []
    assert all("SIGKILL" not in down.status(name).last_exit for name in NAMES)


def test_sigterm_during_the_start_stops_everything_at_once(down: System) -> None:
    down.start()
    down.wait_until_it_says("starting scheduler, ")
    eventually(
        lambda: down.ask("SELECT 1 FROM workers WHERE pid = %s", down.status("sampler").pid),
        "the sampler has reported",
    )
    assert down.stop() == 0
    assert "SIGKILL" not in down.status("sampler").last_exit
    assert processes_of(down.folder) == []


def test_down_stops_a_system_and_is_harmless_where_none_is_up(down: System, tmp_path: Path) -> None:
    down.up()
    pid = down.process.pid
    said = command("down", "--data-folder", down.folder)
    assert (said.returncode, said.stderr.strip()) == (0, f"stopped (supervisor pid {pid})")
    assert down.process.wait() == 0
    assert processes_of(down.folder) == []
    for folder in (down.folder, tmp_path / "never used"):
        again = command("down", "--data-folder", folder)
        assert (again.returncode, again.stderr.strip()) == (0, "nothing was up")
    status = command("status", "--data-folder", down.folder, "--json", "-")
    assert status.returncode == 1
    assert json.loads(status.stdout)["supervisor_pid"] is None


def test_a_killed_system_leaves_no_process_and_goes_on_where_it_was(down: System) -> None:
    down.up()
    asked = recorded_many("killed", 150, samples=64)
    with down.connect(run="killed", average_budget=32) as queue:
        queue.enqueue_many(asked)
        down.suspend_sampler(HOLDS_CLAIMS).resume()  # it is at work
    down.process.kill()
    down.process.wait()
    eventually(lambda: processes_of(down.folder) == [], "every process ends")
    down.up()
    with down.connect(run="killed") as queue:
        answers = list(queue.as_completed(queue.enqueue_many(asked), timeout=60))
        check_books(down, queue.run.id, asked, answers)
    assert down.stop() == 0


def test_down_after_a_kill_ends_what_was_left_and_says_what(down: System) -> None:
    down.up()
    roster = read_roster(down.folder)
    assert roster is not None
    # as a program would that the sampler had started, and that had left its process group
    stray = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(1000)"],
        env={MARK: f"{roster.mark}:sampler"},
        start_new_session=True,
    )
    down.process.kill()
    down.process.wait()
    said = command("down", "--data-folder", down.folder)
    assert stray.wait(timeout=60) == -signal.SIGKILL
    assert said.returncode == 0
    assert "the supervisor was dead; ended what it left running: " in said.stderr
    assert "sampler" in said.stderr
    assert processes_of(down.folder) == []


def test_work_in_flight_is_handed_back_at_sigterm_and_finished_by_the_next_system(down: System) -> None:
    down.up()
    asked = recorded_many("in flight", 150, samples=100)
    with down.connect(run="in flight", average_budget=64, policy="uniform") as queue:
        queue.enqueue_many(asked)
    sampler = down.suspend_sampler(HOLDS_MANY_UNDRAWN_SAMPLES)
    down.process.send_signal(signal.SIGTERM)
    eventually(lambda: down.status("scheduler").pid is None, "the scheduler has stopped")
    sampler.resume()
    assert down.process.wait() == 0
    assert processes_of(down.folder) == []

    down.up()
    with down.connect(run="in flight") as queue:
        answers = list(queue.as_completed(queue.enqueue_many(asked), timeout=60))
        check_books(down, queue.run.id, asked, answers)
        tries = down.ask(
            "SELECT t.outcome, a.failures FROM attempts t JOIN allocations a ON a.id = t.allocation_id "
            "JOIN queries q ON q.id = a.query_id WHERE q.run_id = %s",
            queue.run.id,
        )
    assert set(tries) == {("handed_back", 0), ("finished", 0)}
    assert down.stop() == 0
