"""Proves that a child cannot outlive its parent, shows no secrets, and is never mistaken for another."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adaqueue.adapters.process_identity import Identity, processes_with_environment
from adaqueue.adapters.process_roster import read_roster
from adaqueue.adapters.processes import Account, ProcessSpec, log_tail, run_to_end, spawn
from adaqueue.errors import UnavailableError

SLEEP = ("/bin/sleep", "100")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a child as another user")


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def shell(script: str, name: str = "child", **fields: object) -> ProcessSpec:
    return ProcessSpec(name, ("/bin/sh", "-c", script), **fields)  # type: ignore[arg-type]  # fields vary


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "child.log"


@pytest.fixture
def python_parent(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Runs a script in a Python process of its own; it is killed at the end if it still lives."""
    started = []

    def run(script: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            (sys.executable, "-c", script, str(tmp_path)),
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_a_child_reads_nothing_and_appends_what_it_prints_to_its_log(log: Path) -> None:
    log.write_text("from before\n")
    spawn(shell("cat; echo out; echo err >&2"), log, {}).wait()
    lines = log.read_text().splitlines()
    assert lines[0] == "from before"
    assert lines[1].endswith("starting child")
    assert lines[2:] == ["out", "err"]


def test_a_child_leads_its_own_process_group(log: Path) -> None:
    child = spawn(shell("sleep 100"), log, {})
    assert os.getpgid(child.pid) == child.pid
    child.kill()
    child.wait()


def test_secrets_travel_in_the_environment_and_not_in_the_arguments(log: Path) -> None:
    spec = shell("sleep 100; true", env={"PASSWORD": "s3cret"})
    child = spawn(spec, log, {"MARK": "m"})
    process = Path(f"/proc/{child.pid}")
    assert process.joinpath("environ").read_text().rstrip("\0").split("\0") == ["PASSWORD=s3cret", "MARK=m"]
    assert "s3cret" not in process.joinpath("cmdline").read_text()
    assert "s3cret" not in repr(spec)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def test_a_child_gets_its_stop_signal_when_its_parent_is_killed(
    python_parent: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    parent = python_parent("""
import signal, sys, time
from pathlib import Path
from adaqueue.adapters.processes import ProcessSpec, spawn
script = "trap 'echo asked; exit' INT; echo ready; while true; do sleep 0.05; done"
spec = ProcessSpec("child", ("/bin/sh", "-c", script), stop_signal=signal.SIGINT)
print(spawn(spec, Path(sys.argv[1]) / "log", {}).pid, flush=True)
time.sleep(100)
""")
    assert parent.stdout is not None
    child = Identity.of(int(parent.stdout.readline()))
    assert child is not None
    assert eventually(lambda: "ready" in (tmp_path / "log").read_text())
    parent.kill()
    assert eventually(lambda: not child.is_alive())
    assert (tmp_path / "log").read_text().endswith("asked\n")


@as_root
def test_a_child_of_another_user_dies_with_its_parent_too(
    python_parent: Callable[[str], subprocess.Popen[str]],
) -> None:
    parent = python_parent("""
import pwd, sys, time
from pathlib import Path
from adaqueue.adapters.processes import Account, ProcessSpec, spawn
nobody = pwd.getpwnam("nobody")
user = Account("nobody", nobody.pw_uid, nobody.pw_gid)
spec = ProcessSpec("child", ("sleep", "100"), cwd=Path("/"), user=user)
print(spawn(spec, Path(sys.argv[1]) / "log", {}).pid, flush=True)
time.sleep(100)
""")
    assert parent.stdout is not None
    child = Identity.of(int(parent.stdout.readline()))
    assert child is not None
    assert Path(f"/proc/{child.pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    parent.kill()
    assert eventually(lambda: not child.is_alive())


@as_root
def test_a_child_of_another_user_keeps_none_of_the_groups_of_root(log: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    spec = shell("id -u; id -G", user=Account("nobody", nobody.pw_uid, nobody.pw_gid), cwd=Path("/"))
    spawn(spec, log, {}).wait()
    assert log.read_text().splitlines()[1:] == [str(nobody.pw_uid), str(nobody.pw_gid)]


PARENT_AND_SUPERVISOR = """
import os, subprocess, sys, time
script = '''
import os, sys, time
from adaqueue.adapters.processes import stop_with_parent
print(os.getpid(), flush=True)
{before}
stop_with_parent(int(sys.argv[1]))
time.sleep(100)
'''
subprocess.Popen((sys.executable, "-c", script, str(os.getpid())))
time.sleep({parent_seconds})
"""


def test_a_supervisor_that_asks_for_it_stops_with_its_parent(
    python_parent: Callable[[str], subprocess.Popen[str]],
) -> None:
    parent = python_parent(PARENT_AND_SUPERVISOR.format(before="", parent_seconds=100))
    assert parent.stdout is not None
    supervisor = Identity.of(int(parent.stdout.readline()))
    assert supervisor is not None
    time.sleep(0.1)
    assert supervisor.is_alive()
    parent.kill()
    assert eventually(lambda: not supervisor.is_alive())


def test_a_supervisor_whose_parent_died_before_it_could_ask_stops_at_once(
    python_parent: Callable[[str], subprocess.Popen[str]],
) -> None:
    wait_for_orphanage = "while os.getppid() == int(sys.argv[1]): time.sleep(0.01)"
    parent = python_parent(PARENT_AND_SUPERVISOR.format(before=wait_for_orphanage, parent_seconds=0.2))
    assert parent.stdout is not None
    supervisor = Identity.of(int(parent.stdout.readline()))
    # it may be gone before it could be looked up
    assert supervisor is None or eventually(lambda: not supervisor.is_alive())


def test_children_are_refused_outside_the_main_thread(log: Path) -> None:
    refusals: list[str] = []

    def attempt() -> None:
        try:
            spawn(shell("true"), log, {})
        except RuntimeError as error:
            refusals.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert "main thread" in refusals[0]


def test_a_failed_run_says_why_and_shows_only_its_own_log(log: Path) -> None:
    log.write_text("from before\n")
    with pytest.raises(UnavailableError, match="exit status 3") as caught:
        run_to_end(shell("read word; echo $word; exit 3", name="tool"), log, "boom\n")
    assert "boom" in str(caught.value)
    assert "from before" not in str(caught.value)


def test_a_run_that_takes_too_long_is_killed_with_its_whole_group(log: Path) -> None:
    with pytest.raises(UnavailableError, match="killed by SIGKILL"):
        run_to_end(shell("sleep 100 & echo $!; wait", name="tool"), log, timeout_seconds=0.3)
    grandchild = int(log.read_text().split()[-1])
    assert eventually(lambda: Identity.of(grandchild) is None)


def test_a_program_that_does_not_exist_is_reported(log: Path) -> None:
    with pytest.raises(UnavailableError, match="could not be started"):
        run_to_end(ProcessSpec("tool", ("/nonexistent",)), log)


def test_a_log_tail_is_short(log: Path) -> None:
    log.write_text("x" * 10_000 + "end")
    assert log_tail(log, limit_bytes=100) == "x" * 97 + "end"


def test_a_process_with_the_same_pid_but_another_start_time_is_another_process() -> None:
    me = Identity.of(os.getpid())
    assert me is not None
    assert me.is_alive()
    assert me.uptime_seconds() > 0
    assert not Identity(me.pid, me.start_time - 1).is_alive()


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(SLEEP)
    identity = Identity.of(child.pid)
    assert identity is not None
    child.kill()
    assert eventually(lambda: not identity.is_alive())
    child.wait()


def test_a_process_is_found_by_its_environment_even_in_another_session() -> None:
    child = subprocess.Popen(
        SLEEP, env={"X": "1", "TEST_MARK": f"{os.getpid()}:name"}, start_new_session=True
    )
    assert eventually(lambda: Path(f"/proc/{child.pid}/comm").read_text() == "sleep\n")
    found = {identity.pid: rest for identity, rest in processes_with_environment(f"TEST_MARK={os.getpid()}:")}
    assert found == {child.pid: "name"}
    child.kill()
    child.wait()


@pytest.mark.parametrize("name", ["", "../escape", "a b", ".hidden"])
def test_a_name_that_cannot_be_a_file_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        ProcessSpec(name, ("true",))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"mark": "m", "boot": "b", "processes": {"a": {"name": "a"}}}']
)
def test_a_torn_roster_reads_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "processes.json").write_text(content)
    assert read_roster(tmp_path) is None
