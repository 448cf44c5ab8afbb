"""Proves that one system at a time holds a folder, and that nothing outlives it, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adaqueue.adapters.data_folder import hold, holder_of
from adaqueue.adapters.process_identity import Identity, boot_id
from adaqueue.adapters.processes import ProcessSpec
from adaqueue.adapters.supervisor import Supervisor
from adaqueue.adapters.system_status import SystemStatus, read_status, take_down
from adaqueue.errors import AlreadyUpError, UnavailableError

# a stand-in for `adaqueue up`: argument 1 is the folder, the rest are shell scripts to supervise
UP = """
import signal, sys
from pathlib import Path
from adaqueue.adapters.data_folder import hold
from adaqueue.adapters.processes import ProcessSpec
from adaqueue.adapters.supervisor import Supervisor
with hold(Path(sys.argv[1])) as held, Supervisor(held.folder) as supervisor:
    for number, script in enumerate(sys.argv[2:]):
        supervisor.start(ProcessSpec(f"child{number}", ("/bin/sh", "-c", script), grace_seconds=30))
    print("up", flush=True)
    supervisor.watch()
"""
SLEEP = "exec sleep 100"
# what a child would do that is not stopped by its parent's death
DEAF = f"""exec {sys.executable} -c '
import ctypes, signal, time
ctypes.CDLL(None).prctl(1, 0)
print("deaf", flush=True)
time.sleep(100)'"""
IGNORES_SIGTERM = "trap '' TERM; echo ready; while true; do sleep 0.05; done"


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


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
def up(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Supervises shell scripts from a process of its own; everything is taken down at the end."""
    started = []

    def start(*scripts: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            (sys.executable, "-c", UP, str(folder), *scripts),
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    take_down(folder)


def test_a_new_folder_lets_nobody_else_look_inside(folder: Path) -> None:
    with hold(folder):
        assert folder.stat().st_mode & 0o066 == 0


def test_the_mode_of_a_folder_with_content_is_left_alone(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    (folder / "notes").touch()
    with hold(folder):
        assert folder.stat().st_mode & 0o777 == 0o755


def test_a_second_holder_is_told_who_holds_which_folder(folder: Path) -> None:
    with hold(folder), pytest.raises(AlreadyUpError) as caught, hold(folder):
        pass
    assert str(os.getpid()) in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_folder_is_free_again_after_it_was_held(folder: Path) -> None:
    with hold(folder):
        assert holder_of(folder) == Identity.of(os.getpid())
    assert holder_of(folder) is None
    with hold(folder):
        pass


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UnavailableError, match="choose another data folder"),
        hold(tmp_path / "file" / "data"),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_supervisor_is_a_clean_stop(
    folder: Path, up: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = up(SLEEP, "trap 'echo asked; exit' TERM; echo ready; while true; do sleep 0.02; done")
    assert eventually(lambda: words(folder, "child1") == ["ready"])
    process.send_signal(number)
    assert process.wait() == 0
    assert words(folder, "child1") == ["ready", "asked"]
    assert processes_in(folder) == {}


def test_a_second_signal_does_not_wait_for_grace(
    folder: Path, up: Callable[..., subprocess.Popen[str]]
) -> None:
    process = up(IGNORES_SIGTERM)
    assert eventually(lambda: words(folder, "child0") == ["ready"])
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0
    assert processes_in(folder) == {}


def test_killing_the_supervisor_ends_its_children_and_frees_the_folder(
    folder: Path, up: Callable[..., subprocess.Popen[str]]
) -> None:
    process = up(SLEEP, SLEEP)
    children = processes_in(folder)
    assert len(children) == 2
    process.kill()
    assert eventually(lambda: not any(child.is_alive() for child in children.values()), 5)
    process.wait()
    with hold(folder) as held:
        assert held.leftovers == ()


def test_what_outlives_its_supervisor_is_ended_by_the_next_holder(
    folder: Path, up: Callable[..., subprocess.Popen[str]]
) -> None:
    process = up(DEAF, f"setsid sh -c 'echo $$; {SLEEP}' & wait")
    assert eventually(lambda: words(folder, "child0") == ["deaf"] and len(words(folder, "child1")) == 1)
    leftovers = [processes_in(folder)["child0"], Identity.of(int(words(folder, "child1")[0]))]
    process.kill()
    process.wait()
    assert all(leftover is not None and leftover.is_alive() for leftover in leftovers)
    with hold(folder) as held:
        assert set(held.leftovers) == {"child0", "child1"}
        assert not any(leftover is not None and leftover.is_alive() for leftover in leftovers)


@pytest.mark.parametrize("other", ["start time", "boot"])
def test_a_process_that_was_given_a_recorded_pid_is_left_alone(folder: Path, other: str) -> None:
    with hold(folder) as held, Supervisor(held.folder) as supervisor:
        supervisor.start(ProcessSpec("child", ("/bin/sleep", "100")))
    stranger = subprocess.Popen(("/bin/sleep", "100"), process_group=0)
    identity = Identity.of(stranger.pid)
    assert identity is not None
    document = json.loads((folder / "processes.json").read_text())
    start_time = identity.start_time - (other == "start time")
    document["processes"]["child"] |= {"pid": stranger.pid, "start_time": start_time, "state": "running"}
    document["boot"] = boot_id() if other == "start time" else "another"
    (folder / "processes.json").write_text(json.dumps(document))
    with hold(folder) as held:
        assert held.leftovers == ()
    assert read_status(folder).processes[0].state == "stopped"
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be process 1 of a container")
def test_as_process_1_of_a_container_the_supervisor_buries_the_orphans_it_inherits(folder: Path) -> None:
    script = """
import os, time
began = time.monotonic()
""" + UP.replace(
        "supervisor.watch()",
        "supervisor.watch(lambda: time.monotonic() - began > 1)\n    os.system('ps -e -o stat=')",
    )
    orphans = "for i in 1 2 3; do (sleep 0.1 &) ; done; exec sleep 100"
    python = (sys.executable, "-c", script, str(folder), orphans)
    result = subprocess.run(
        ("/usr/bin/unshare", "--pid", "--fork", "--mount-proc", *python),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    if "unshare failed" in result.stderr:
        pytest.skip("this container's root may not make a container of its own")
    states = result.stdout.split()
    assert states[0] == "up"
    assert len(states) > 2
    assert not [state for state in states if state.startswith("Z")]


def test_status_tells_what_runs_and_since_when(
    folder: Path, up: Callable[..., subprocess.Popen[str]]
) -> None:
    assert read_status(folder) == SystemStatus(folder, None, ())
    process = up(SLEEP)
    found = read_status(folder)
    assert found.supervisor_pid == process.pid
    child = found.processes[0]
    assert (child.name, child.state, child.restarts) == ("child0", "running", 0)
    assert child.uptime_seconds is not None
    assert 0 <= child.uptime_seconds < 10
    assert child.log == folder / "logs" / "child0.log"


def test_taking_down_stops_the_supervisor_and_is_harmless_twice(
    folder: Path, up: Callable[..., subprocess.Popen[str]]
) -> None:
    assert str(take_down(folder)) == "nothing was up"
    assert not folder.exists()
    process = up(SLEEP)
    assert str(take_down(folder)) == f"stopped (supervisor pid {process.pid})"
    assert processes_in(folder) == {}
    assert process.wait() == 0
    assert str(take_down(folder)) == "nothing was up"


def test_taking_down_ends_what_a_killed_supervisor_left(
    folder: Path, up: Callable[..., subprocess.Popen[str]]
) -> None:
    process = up(DEAF)
    assert eventually(lambda: words(folder, "child0") == ["deaf"])
    process.kill()
    process.wait()
    assert read_status(folder).supervisor_pid is None
    assert read_status(folder).processes[0].state == "running"
    assert str(take_down(folder)) == "the supervisor was dead; ended what it left running: child0"
    assert processes_in(folder) == {}


def test_taking_down_does_not_wait_for_ever(folder: Path, up: Callable[..., subprocess.Popen[str]]) -> None:
    process = up(IGNORES_SIGTERM)
    assert eventually(lambda: words(folder, "child0") == ["ready"])
    began = time.monotonic()
    take_down(folder, timeout_seconds=0.3)
    assert time.monotonic() - began < 5
    assert process.wait() == 0
