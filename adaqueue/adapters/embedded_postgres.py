"""Prepares the embedded Postgres: made once, fsync on, reachable by its socket and password only."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from pathlib import Path
from urllib.parse import quote

from adaqueue.adapters.process_identity import Identity
from adaqueue.adapters.processes import ProcessSpec, run_to_end
from adaqueue.adapters.server_home import ServerHome

DATABASE = "adaqueue"
USER = "adaqueue"
_PORT = 5432
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
# written to postgresql.conf once: whoever runs the system may change them there
_DEFAULTS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def data_version(home: ServerHome) -> str:
    """Returns the major version of the existing data; empty if there is none."""
    try:
        return (home.folder / "postgres" / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return ""


def prepare_postgres(home: ServerHome, programs: Path, password: str, log_path: Path) -> ProcessSpec:
    """Makes the database if there is none, clears what a crash left, and returns what to start.

    Args:
        home: where its data and socket go.
        programs: the folder of Postgres programs.
        password: of the only role, `adaqueue`.
        log_path: what making the database prints goes here.

    Raises:
        UnavailableError: the database cannot be made; carries the end of the log.
    """
    data = home.folder / "postgres"
    if not data_version(home):
        _initialise(home, programs, password, log_path)
    _disown_reused_pid(home, data)
    for stale in (f".s.PGSQL.{_PORT}", f".s.PGSQL.{_PORT}.lock"):
        (home.sockets / stale).unlink(missing_ok=True)
    settings = (
        "listen_addresses=",
        f"port={_PORT}",
        f"unix_socket_directories={home.sockets}",
        "unix_socket_permissions=0700",
    )
    return ProcessSpec(
        name="postgres",
        argv=(
            str(programs / "postgres"),
            "-D",
            str(data),
            *(part for item in settings for part in ("-c", item)),
        ),
        env=_ENVIRONMENT,
        cwd=data,
        user=home.account,
        stop_signal=signal.SIGINT,  # "fast": ends connections; SIGTERM would wait for them
        grace_seconds=60,
        foundation=True,
    )


def database_url(home: ServerHome, password: str) -> str:
    """Returns the address for SQLAlchemy with psycopg."""
    # the port is named, or PGPORT would choose another socket
    query = f"host={quote(str(home.sockets), safe='')}&port={_PORT}"
    return f"postgresql+psycopg://{USER}:{password}@/{DATABASE}?{query}"


def _initialise(home: ServerHome, programs: Path, password: str, log_path: Path) -> None:
    """Makes the database aside and moves it into place when it is whole."""
    for unfinished in home.folder.glob("initialising-*"):
        shutil.rmtree(unfinished)
    aside = home.folder / f"initialising-{secrets.token_hex(8)}"
    home.make_folder(aside)
    home.write_private(aside / "password", password)
    argv = (str(programs / "initdb"), "-D", str(aside / "data"), *_initdb_options(aside / "password"))
    _run(home, "initdb", argv, log_path)
    (aside / "password").unlink()
    options = ("--single", "-j", "-c", "exit_on_error=on", "-D", str(aside / "data"))
    argv = (str(programs / "postgres"), *options, "postgres")
    _run(home, "createdb", argv, log_path, f"CREATE DATABASE {DATABASE};\n")
    os.rename(aside / "data", home.folder / "postgres")
    aside.rmdir()


def _initdb_options(password_file: Path) -> tuple[str, ...]:
    return (
        f"--username={USER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
        *(f"--set={name}={value}" for name, value in _DEFAULTS.items()),
    )


def _run(home: ServerHome, name: str, argv: tuple[str, ...], log_path: Path, text: str = "") -> None:
    # nothing is lost by ending it at once: it works aside
    spec = ProcessSpec(name, argv, _ENVIRONMENT, Path("/"), home.account, stop_signal=signal.SIGKILL)
    run_to_end(spec, log_path, text)


def _disown_reused_pid(home: ServerHome, data: Path) -> None:
    """Keeps Postgres from taking whatever process now has the dead postmaster's pid for a live postmaster.

    Pids are reused soon in containers, and after a reboot. Only the pid is replaced, by that of the new
    postmaster's parent, which Postgres knows to be no postmaster: the rest of the file still lets it find
    shared memory that old backends use.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return
    pid = int(lines[0]) if lines and lines[0].isdigit() else 0
    if Identity.of(pid) is not None and not _works_in(pid, data):
        home.write_private(data / "postmaster.pid", "\n".join([str(os.getpid()), *lines[1:], ""]))


def _works_in(pid: int, data: Path) -> bool:
    """Returns whether a process may be a Postgres of this data; in doubt, whether it is any Postgres."""
    process = Path("/proc") / str(pid)
    try:
        return (process / "comm").read_text().strip() == "postgres" and (process / "cwd").readlink() == data
    except PermissionError:
        return True
    except (FileNotFoundError, ProcessLookupError):
        return False
