"""Runs the embedded servers of one data folder until its parent ends; arguments: FOLDER, the parent's pid."""

from __future__ import annotations

import sys
from pathlib import Path

from adaqueue.adapters.data_folder import hold
from adaqueue.adapters.processes import stop_with_parent
from adaqueue.adapters.servers import EmbeddedServers
from adaqueue.adapters.supervisor import Supervisor


def main() -> None:
    """Starts the servers, says so on stdout, and looks after them."""
    stop_with_parent(int(sys.argv[2]))
    with hold(Path(sys.argv[1])) as held, Supervisor(held.folder) as supervisor:
        servers = EmbeddedServers(held.folder)
        for spec in servers.prepare():
            supervisor.start(spec)
        servers.wait_ready(supervisor)
        print("ready", flush=True)  # noqa: T201 - what the fixture waits for
        supervisor.watch()


if __name__ == "__main__":
    main()
