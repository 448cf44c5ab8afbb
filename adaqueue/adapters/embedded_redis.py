"""Prepares the embedded Redis: durable, never evicting, reachable by its socket and password only."""

from __future__ import annotations

import signal
from pathlib import Path
from urllib.parse import quote

from adaqueue.adapters.processes import ProcessSpec
from adaqueue.adapters.server_home import ServerHome

_SOCKET = "redis.sock"
_CONFIGURATION = """\
port 0
unixsocket "{socket}"
unixsocketperm 700
requirepass {password}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
always-show-logo no
"""


def prepare_redis(home: ServerHome, program: Path, password: str) -> ProcessSpec:
    """Writes the configuration and returns what to start; existing data is kept.

    Args:
        home: where its data and socket go.
        program: the `redis-server`.
        password: of letters and digits.
    """
    folder = home.folder / "redis"
    home.make_folder(folder)
    socket = home.sockets / _SOCKET
    home.write_private(folder / "redis.conf", _CONFIGURATION.format(socket=socket, password=password))
    return ProcessSpec(
        name="redis",
        argv=(str(program), "redis.conf"),
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        cwd=folder,
        user=home.account,
        stop_signal=signal.SIGTERM,
        grace_seconds=30,
        foundation=True,
    )


def redis_url(home: ServerHome, password: str) -> str:
    """Returns the address for redis-py."""
    return f"unix://:{password}@{quote(str(home.sockets / _SOCKET))}?db=0"


def broker_url(home: ServerHome, password: str) -> str:
    """Returns the address for Celery and kombu."""
    return f"redis+socket://:{password}@{quote(str(home.sockets / _SOCKET))}?virtual_host=0"
