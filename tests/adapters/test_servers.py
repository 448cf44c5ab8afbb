"""Proves that a data folder holds a real Redis and a real Postgres that keep their data and their secrets."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import kombu
import psycopg
import pytest
import redis
import sqlalchemy

from adaqueue.adapters.child import Backoff
from adaqueue.adapters.data_folder import hold
from adaqueue.adapters.process_identity import Identity
from adaqueue.adapters.server_account import default_server_account
from adaqueue.adapters.server_home import find_home, make_home
from adaqueue.adapters.servers import EmbeddedServers, ServerUrls
from adaqueue.adapters.supervisor import Supervisor
from adaqueue.adapters.system_status import read_status
from adaqueue.errors import UnavailableError

UP = """
import sys
from pathlib import Path
from adaqueue.adapters.data_folder import hold
from adaqueue.adapters.servers import EmbeddedServers
from adaqueue.adapters.supervisor import Supervisor
with hold(Path(sys.argv[1])) as held, Supervisor(held.folder) as supervisor:
    servers = EmbeddedServers(held.folder)
    for spec in servers.prepare():
        supervisor.start(spec)
    servers.wait_ready(supervisor)
    print("up", flush=True)
    supervisor.watch()
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that every user may pass through, as a server's user must (pytest's own are private)."""
    place = Path(tempfile.mkdtemp(prefix="adaqueue-test-"))
    place.chmod(0o755)
    yield place
    for link in place.rglob("servers"):
        EmbeddedServers(link.parent).discard()
    shutil.rmtree(place)


@pytest.fixture
def folder(place: Path, request: pytest.FixtureRequest) -> Path:
    return place / str(request.node.name)[:40]


@contextmanager
def running(folder: Path) -> Iterator[tuple[EmbeddedServers, Supervisor]]:
    with hold(folder) as held, Supervisor(held.folder, Backoff(first_seconds=0.1)) as supervisor:
        servers = EmbeddedServers(held.folder)
        for spec in servers.prepare():
            supervisor.start(spec)
        servers.wait_ready(supervisor, timeout_seconds=30)
        yield servers, supervisor


@pytest.fixture(scope="module")
def steady(place: Path) -> Iterator[Path]:
    """The folder of servers that run during the whole module, for tests that break nothing."""
    with running(place / "steady"):
        yield place / "steady"


@pytest.fixture
def urls(steady: Path) -> ServerUrls:
    return EmbeddedServers(steady).urls()


def pid_of(folder: Path, name: str) -> int:
    return next(
        process.pid for process in read_status(folder).processes if process.name == name and process.pid
    )


def remember(urls: ServerUrls, word: str) -> None:
    with redis.Redis.from_url(urls.redis_url) as client:
        client.rpush("words", word)
    with psycopg.connect(urls.database_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        connection.execute("INSERT INTO words VALUES (%s)", [word])


def remembered(urls: ServerUrls) -> tuple[list[str], list[str]]:
    with redis.Redis.from_url(urls.redis_url, decode_responses=True) as client:
        in_redis = [str(word) for word in client.lrange("words", 0, -1)]
    with psycopg.connect(urls.database_url.replace("+psycopg", "")) as connection:
        return in_redis, [row[0] for row in connection.execute("SELECT word FROM words")]


def test_every_address_works_with_the_library_it_is_meant_for(urls: ServerUrls) -> None:
    with redis.Redis.from_url(urls.redis_url) as client:
        assert client.ping()
    with kombu.Connection(urls.broker_url) as broker:
        queue = broker.SimpleQueue("letters")
        queue.put({"ids": [1, 2]})
        message = queue.get(timeout=5)
        assert message.payload == {"ids": [1, 2]}
        message.ack()
        queue.close()
    engine = sqlalchemy.create_engine(urls.database_url)
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT current_database()")) == "adaqueue"
    engine.dispose()


def test_the_servers_are_set_up_to_lose_nothing(urls: ServerUrls) -> None:
    with redis.Redis.from_url(urls.redis_url, decode_responses=True) as client:
        names = ("appendonly", "appendfsync", "maxmemory-policy", "port")
        assert [client.config_get(name)[name] for name in names] == ["yes", "everysec", "noeviction", "0"]
    with psycopg.connect(urls.database_url.replace("+psycopg", "")) as connection:

        def show(name: str) -> str:
            return str(connection.execute(f"SHOW {name}").fetchone()[0])  # type: ignore[index]  # always a row

        safe = [show(name) for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums")]
        assert safe == ["on"] * 4
        assert show("listen_addresses") == ""
        assert show("server_encoding") == "UTF8"
        assert connection.execute("SELECT 'b' < 'a', 'B' < 'a', upper('é')").fetchone() == (False, True, "É")


@pytest.mark.parametrize("password", ["", "wrong"])
def test_without_the_right_password_nobody_gets_in(urls: ServerUrls, password: str) -> None:
    url = f"unix://:{password}@{urls.redis_url.partition('@')[2]}"
    with redis.Redis.from_url(url) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    url = f"postgresql://adaqueue:{password}@{urls.database_url.partition('@')[2]}"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url)


def test_no_secret_is_in_an_argument_a_log_or_a_readable_file(steady: Path, urls: ServerUrls) -> None:
    secrets = [url.partition("@")[0].rpartition(":")[2] for url in (urls.redis_url, urls.database_url)]
    assert all(len(secret) == 48 for secret in secrets)
    for name in ("redis", "postgres"):
        process = Path(f"/proc/{pid_of(steady, name)}")
        assert not any(secret in (process / "cmdline").read_text() for secret in secrets)
    for path in steady.rglob("*"):
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
            assert path.name in {"passwords.json", "redis.conf"}
            assert path.stat().st_mode & 0o777 == 0o600
    assert not any(secret in repr(urls) for secret in secrets)


def test_nobody_else_may_enter_the_servers_folder(steady: Path) -> None:
    assert (steady / "servers").stat().st_mode & 0o777 == 0o700
    assert (steady / "servers" / "redis.sock").stat().st_mode & 0o077 == 0


def test_a_later_start_finds_the_data(folder: Path) -> None:
    for word in ("first", "second"):
        with running(folder) as (servers, _):
            remember(servers.urls(), word)
    with running(folder) as (servers, _):
        assert remembered(servers.urls()) == (["first", "second"],) * 2


def test_killed_servers_are_started_again_with_their_data(folder: Path) -> None:
    with running(folder) as (servers, supervisor), ExitStack() as stack:
        remember(servers.urls(), "kept")
        # an open connection, so that an old backend has to notice
        stack.enter_context(psycopg.connect(servers.urls().database_url.replace("+psycopg", "")))
        for name in ("redis", "postgres"):
            os.kill(pid_of(folder, name), signal.SIGKILL)
        supervisor.watch(lambda: all(process.restarts for process in read_status(folder).processes))
        servers.wait_ready(supervisor)
        assert remembered(servers.urls()) == (["kept"], ["kept"])


def test_a_killed_supervisor_leaves_no_server_behind_and_loses_no_data(folder: Path) -> None:
    process = subprocess.Popen(
        (sys.executable, "-c", UP, str(folder)),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    remember(EmbeddedServers(folder).urls(), "kept")
    servers = [Identity.of(pid_of(folder, name)) for name in ("redis", "postgres")]
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 5
    while any(server is not None and server.is_alive() for server in servers):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with running(folder) as (again, _):
        assert remembered(again.urls()) == (["kept"], ["kept"])


@pytest.mark.parametrize("name", ["long" * 30, "a b, c'd\"é;%41"])
def test_a_long_or_odd_path_is_served_from_a_private_short_one(place: Path, name: str) -> None:
    folder = place / name
    with running(folder) as (servers, _):
        home = find_home(folder)
        assert home is not None
        assert home.sockets.parent == Path("/tmp")  # noqa: S108 - that is the place
        assert home.sockets.stat().st_mode & 0o777 == 0o700
        remember(servers.urls(), "here")
        assert remembered(servers.urls()) == (["here"], ["here"])
        with kombu.Connection(servers.urls().broker_url) as broker:
            broker.ensure_connection(max_retries=1)
    shutil.rmtree(home.sockets)  # as a reboot would
    with running(folder):
        pass


def test_files_of_a_dead_postgres_whose_pid_now_belongs_to_another_process_do_not_block(folder: Path) -> None:
    with running(folder) as (servers, _):
        remember(servers.urls(), "kept")
        left = {path: path.read_text() for path in (folder / "servers").rglob("*.pid")}
        left |= {path: path.read_text() for path in (folder / "servers").glob(".s.PGSQL.*.lock")}
        postmaster = str(pid_of(folder, "postgres"))
    assert len(left) == 2
    account = default_server_account()
    stranger = subprocess.Popen(("/bin/sleep", "100"), user=None if account is None else account.uid)
    for path, text in left.items():
        path.write_text(text.replace(postmaster, str(stranger.pid), 1))
    (folder / "servers" / ".s.PGSQL.5432").touch()
    (folder / "servers" / "redis.sock").touch()
    with running(folder) as (servers, _):
        assert remembered(servers.urls()) == (["kept"], ["kept"])
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(folder: Path) -> None:
    with running(folder):
        pass
    with (folder / "servers" / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("nonsense = 1\n")
    with (
        pytest.raises(UnavailableError, match='unrecognized configuration parameter "nonsense"'),
        running(folder),
    ):
        pass


def test_an_interrupted_first_start_is_made_good(folder: Path) -> None:
    with hold(folder) as held:
        unfinished = make_home(held.folder).folder / "initialising-0"
    (unfinished / "data").mkdir(parents=True)
    (unfinished / "data" / "PG_VERSION").write_text("18")
    with running(folder):
        assert not unfinished.exists()


def test_addresses_of_servers_that_never_were_are_refused(place: Path) -> None:
    with pytest.raises(UnavailableError, match="adaqueue up"):
        EmbeddedServers(place / "nothing").urls()


def test_a_database_without_its_password_is_not_touched(folder: Path) -> None:
    with hold(folder) as held:
        database = make_home(held.folder).folder / "postgres"
        database.mkdir()
        (database / "PG_VERSION").write_text("18")
        with pytest.raises(UnavailableError, match="restore it"):
            EmbeddedServers(held.folder).prepare()
    assert [path.name for path in database.iterdir()] == ["PG_VERSION"]


def test_discarded_servers_leave_nothing(place: Path) -> None:
    folder = place / ("gone" * 30)
    with hold(folder) as held:
        home = make_home(held.folder)
        home.make_sockets_folder()
        (home.sockets / "redis.sock").touch()
        EmbeddedServers(held.folder).discard()
    assert not home.sockets.exists()
    assert not home.folder.exists()
