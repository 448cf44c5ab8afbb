"""Proves that the supervisor restarts what crashes, says what does not start, and stops all in order."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adaqueue.adapters.child import Backoff
from adaqueue.adapters.data_folder import hold
from adaqueue.adapters.process_identity import Identity
from adaqueue.adapters.processes import ProcessSpec
from adaqueue.adapters.supervisor import Supervisor
from adaqueue.adapters.system_status import SystemStatus, read_status
from adaqueue.errors import UnavailableError

FAST = Backoff(first_seconds=0.02, ceiling_seconds=0.1)
SLEEP = "exec sleep 100"
IGNORES_SIGTERM = "trap '' TERM; echo ready; while true; do sleep 0.05; done"


def shell(name: str, script: str, **fields: object) -> ProcessSpec:
    return ProcessSpec(name, ("/bin/sh", "-c", script), **fields)  # type: ignore[arg-type]  # fields vary


def processes_in(folder: Path) -> dict[str, Identity]:
    status = read_status(folder)
    found = {
        process.name: Identity.of(process.pid) for process in status.processes if process.pid is not None
    }
    return {name: identity for name, identity in found.items() if identity is not None}


def words(folder: Path, name: str) -> list[str]:
    """What a process printed, one item a line, without the supervisor's own lines."""
    log = folder / "logs" / f"{name}.log"
    return (
        [line for line in log.read_text().splitlines() if not line.startswith("---")] if log.exists() else []
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def supervisor(folder: Path) -> Iterator[Supervisor]:
    with hold(folder) as held, Supervisor(held.folder, FAST, poll_seconds=0.01) as supervisor:
        yield supervisor


def status(folder: Path, supervisor: Supervisor) -> SystemStatus:
    supervisor.tend()
    return read_status(folder)


def test_a_crashed_child_is_started_again(folder: Path, supervisor: Supervisor) -> None:
    supervisor.start(shell("flaky", "echo started; exit 3"))
    supervisor.watch(lambda: len(words(folder, "flaky")) >= 4)
    process = status(folder, supervisor).processes[0]
    assert process.restarts >= 3
    assert process.last_exit == "exit status 3"


def test_a_killed_child_is_noticed_at_once_and_started_again_after_a_pause(folder: Path) -> None:
    with hold(folder) as held, Supervisor(held.folder) as supervisor:
        supervisor.start(shell("child", SLEEP))
        child = processes_in(folder)["child"]
        os.kill(child.pid, signal.SIGKILL)
        killed = time.monotonic()
        supervisor.watch(lambda: read_status(folder).processes[0].last_exit == "killed by SIGKILL")
        assert time.monotonic() - killed < 0.4
        assert read_status(folder).processes[0].state == "restarting"
        supervisor.watch(lambda: "child" in processes_in(folder))
        assert 0.5 < time.monotonic() - killed < 5


def test_pauses_double_up_to_a_ceiling() -> None:
    pauses = [Backoff().pause_seconds(crashes) for crashes in (1, 2, 3, 6, 7, 8, 10_000)]
    assert pauses == [0.5, 1, 2, 16, 30, 30, 30]


def test_a_healthy_life_resets_the_pause(folder: Path) -> None:
    backoff = Backoff(first_seconds=0.01, ceiling_seconds=100, healthy_seconds=0.05)
    with hold(folder) as held, Supervisor(held.folder, backoff, poll_seconds=0.01) as supervisor:
        supervisor.start(shell("child", "echo started; sleep 0.1; exit 1"))
        # without the reset, the ninth start would come after 2.5 s of pauses
        began = time.monotonic()
        supervisor.watch(lambda: len(words(folder, "child")) == 9)
        assert time.monotonic() - began < 2.5


def test_what_a_crashed_child_started_is_ended_before_its_restart(
    folder: Path, supervisor: Supervisor
) -> None:
    supervisor.start(shell("child", "sleep 100 & echo $!; exit 1"))
    supervisor.watch(lambda: len(words(folder, "child")) >= 2)
    assert Identity.of(int(words(folder, "child")[0])) is None


def test_a_one_shot_that_succeeds_is_finished_and_one_that_fails_is_tried_again(
    folder: Path, supervisor: Supervisor
) -> None:
    supervisor.start(shell("good", "echo done", one_shot=True))
    supervisor.start(shell("bad", "echo failed; exit 1", one_shot=True))
    supervisor.watch(lambda: len(words(folder, "bad")) >= 3)
    good, bad = status(folder, supervisor).processes
    assert good.state == "finished"
    assert words(folder, "good") == ["done"]
    assert bad.restarts >= 2


def test_children_stop_in_reverse_order_and_foundations_last(folder: Path) -> None:
    stops = "trap 'echo %s >> stops; exit' TERM; echo ready; while true; do sleep 0.02; done"
    with hold(folder) as held, Supervisor(held.folder, poll_seconds=0.01) as supervisor:
        supervisor.start(shell("server", stops % "server", cwd=folder, foundation=True))
        supervisor.start(
            shell(
                "slow",
                "trap 'sleep 0.3; echo slow >> stops; exit' TERM; echo ready; sleep 100 & wait",
                cwd=folder,
            )
        )
        supervisor.start(shell("last", stops % "last", cwd=folder))
        supervisor.watch(lambda: all(words(folder, name) == ["ready"] for name in ("server", "slow", "last")))
    assert (folder / "stops").read_text().split() == ["last", "slow", "server"]
    assert [process.state for process in read_status(folder).processes] == ["stopped"] * 3


def test_a_child_that_ignores_its_stop_signal_is_killed_after_its_grace(folder: Path) -> None:
    with hold(folder) as held, Supervisor(held.folder, poll_seconds=0.01) as supervisor:
        supervisor.start(shell("stubborn", IGNORES_SIGTERM, grace_seconds=0.3))
        supervisor.watch(lambda: words(folder, "stubborn") == ["ready"])
        began = time.monotonic()
    assert 0.3 <= time.monotonic() - began < 5
    assert read_status(folder).processes[0].last_exit == "killed by SIGKILL"


def test_descendants_that_left_the_group_are_ended_too(folder: Path) -> None:
    with hold(folder) as held, Supervisor(held.folder, poll_seconds=0.01) as supervisor:
        supervisor.start(shell("child", f"setsid sh -c 'echo $$; {SLEEP}' & wait"))
        supervisor.watch(lambda: len(words(folder, "child")) == 1)
        runaway = Identity.of(int(words(folder, "child")[0]))
    assert runaway is not None
    assert not runaway.is_alive()


def test_waiting_ends_when_nothing_is_missing(supervisor: Supervisor) -> None:
    answers = iter(["a lot", "a little", ""])
    supervisor.wait_until(lambda: next(answers), timeout_seconds=10)


def test_waiting_in_vain_says_what_is_missing(supervisor: Supervisor) -> None:
    with pytest.raises(UnavailableError, match="the answer"):
        supervisor.wait_until(lambda: "the answer", timeout_seconds=0.05)


def test_waiting_for_a_child_that_keeps_crashing_shows_its_log(supervisor: Supervisor) -> None:
    supervisor.start(shell("broken", "echo no space left; exit 1"))
    with pytest.raises(UnavailableError, match="broken crashed 4 times") as caught:
        supervisor.wait_until(lambda: "an answer", timeout_seconds=30)
    assert str(caught.value).endswith("no space left")


def test_a_program_that_does_not_exist_is_reported_at_once(supervisor: Supervisor) -> None:
    with pytest.raises(UnavailableError, match="missing cannot be started"):
        supervisor.start(ProcessSpec("missing", ("/nonexistent",)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_a_wait_or_before_a_start_stops_everything_quietly(
    folder: Path, number: signal.Signals
) -> None:
    with hold(folder) as held, Supervisor(held.folder, poll_seconds=0.01) as supervisor:
        supervisor.start(shell("child", SLEEP))
        child = processes_in(folder)["child"]
        os.kill(os.getpid(), number)
        supervisor.wait_until(lambda: "for ever", timeout_seconds=30)
    assert not child.is_alive()
    with hold(folder) as held, Supervisor(held.folder) as supervisor:
        os.kill(os.getpid(), number)
        supervisor.start(shell("child", "touch started", cwd=folder))
    assert not (folder / "started").exists()
