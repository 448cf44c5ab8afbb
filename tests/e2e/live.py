"""A whole system for a test, as `adaqueue up` runs it: started, looked into, harmed, and surely ended."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, LiteralString, TypeVar

import psutil
import psycopg

from adaqueue import AdaQueue, Query, RecordedSample, Recording
from adaqueue.adapters.servers import EmbeddedServers, ServerUrls
from adaqueue.adapters.system_status import ProcessStatus, read_status
from adaqueue.settings import Settings

COMMAND = Path(sys.executable).with_name("adaqueue")
PATIENCE_SECONDS = 120.0
SHORT_TIMES: dict[str, Any] = {
    "heartbeat_seconds": 0.5,
    "worker_timeout_seconds": 3,
    "ring_again_seconds": 3,
    "window_seconds": 0.2,
}
HOLDS_CLAIMS = "SELECT EXISTS (SELECT 1 FROM allocations WHERE state = 'running')"
Found = TypeVar("Found")


def environment(settings: Mapping[str, object], temporary: Path | None = None) -> dict[str, str]:
    """The tests' own environment, with these settings and no others, and perhaps another TMPDIR."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ADAQUEUE_")}
    tmpdir = {} if temporary is None else {"TMPDIR": str(temporary)}
    return inherited | tmpdir | {f"ADAQUEUE_{name.upper()}": str(value) for name, value in settings.items()}


def command(
    *arguments: object,
    temporary: Path | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
    **settings: object,
) -> subprocess.CompletedProcess[str]:
    """Runs an `adaqueue` command to its end."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        env=environment(settings, temporary),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=patience_seconds,
    )


def eventually(
    look: Callable[[], Found | None], what: str, patience_seconds: float = PATIENCE_SECONDS
) -> Found:
    """Looks until it finds something true, and returns that."""
    deadline = time.monotonic() + patience_seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not after {patience_seconds:g} s"
        time.sleep(0.02)
    return found


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that has to do with a folder: by its environment, arguments or working directory."""
    return [process for process in psutil.process_iter() if _has_to_do_with(process, str(folder))]


def _is_gone(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


def _has_to_do_with(process: psutil.Process, folder: str) -> bool:
    with suppress(psutil.Error):
        if process.pid != os.getpid() and not _is_gone(process):
            words = [process.cwd(), *process.cmdline(), *process.environ().values()]
            return any(folder in word for word in words)
    return False


def kill(*processes: psutil.Process) -> None:
    """Kills processes, as `kill -9` does, and waits until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for process in processes:
        eventually(partial(_is_gone, process), f"{process} is gone")


def kill_everything(folder: Path) -> None:
    """Kills whatever has to do with a folder, and what that has started in the meantime."""
    while processes := processes_of(folder):
        kill(*processes)


def recorded(name: str, samples: int = 16, **limits: Any) -> Query:
    """A query with recorded rewards; the name decides which."""
    draw = random.Random(name)  # noqa: S311 - rewards, no secret
    rewards = [float(draw.random() < 0.3) for _ in range(samples)]
    recording = Recording(tuple(RecordedSample(None, reward) for reward in rewards))
    return Query("math", f"What is {name}?", id=name, recording=recording, **limits)


def first_success(query: Query) -> int:
    """Samples until the first verified success, that one included; all that are recorded if there is none."""
    assert query.recording is not None
    rewards = [sample.reward for sample in query.recording.samples]
    return rewards.index(1.0) + 1 if 1.0 in rewards else len(rewards)


def recorded_many(name: str, count: int, samples: int = 16) -> list[Query]:
    """Queries with recorded rewards."""
    return [recorded(f"{name}-{number}", samples) for number in range(count)]


class System:
    """`adaqueue up` as a child of the tests, which ends with them.

    Args:
        folder: the data folder.
        **settings: of the system.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self._settings = {"engine": "replay", "exploration_share": 0, **SHORT_TIMES, **settings}
        self._log = folder.with_name(f"{folder.name}.log")
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts it, in a session of its own, as a terminal would."""
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [COMMAND, "up", "--data-folder", self.folder, "--parent-pid", str(os.getpid())],
                env=environment(self._settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def up(self) -> System:
        """Starts it and waits until it is up."""
        self.start()
        self.wait_until_it_says("up in")
        return self

    @property
    def window_queries(self) -> int:
        """Queries of a full window."""
        return int(str(self._settings.get("window_queries", Settings.model_fields["window_queries"].default)))

    def wait_until_it_says(self, words: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Waits until `adaqueue up` has printed the words."""

        def said() -> bool:
            text = self._log.read_text()
            assert self.process.poll() is None, text
            return words in text

        eventually(said, f"`adaqueue up` says {words!r}", patience_seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends `up` a signal and returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def status(self, name: str) -> ProcessStatus:
        """What is known of one process."""
        return next(process for process in read_status(self.folder).processes if process.name == name)

    def find(self, name: str) -> psutil.Process:
        """One process, waited for until it runs."""
        return psutil.Process(eventually(lambda: self.status(name).pid, f"{name} runs"))

    def connect(self, **settings: Any) -> AdaQueue:
        """A client in this process."""
        return AdaQueue.connect(data_folder=self.folder, **settings)

    def urls(self) -> ServerUrls:
        """Where its servers are."""
        return EmbeddedServers(self.folder).urls()

    def ask(self, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """What the ledger says, asked past the library."""
        with psycopg.connect(self.urls().database_url.replace("+psycopg", "")) as connection:
            return connection.execute(statement, values).fetchall()

    def ended(self, queue: AdaQueue) -> int:
        """How many queries of a client's run have ended."""
        return int(
            self.ask("SELECT count(*) FROM queries WHERE run_id = %s AND state = 'closed'", queue.run.id)[0][
                0
            ]
        )

    def suspend_sampler(self, moment: LiteralString) -> psutil.Process:
        """Suspends the sampler at a moment that the ledger tells; returns it, to be resumed or killed.

        Args:
            moment: SQL that says whether it is now.
        """
        sampler = self.find("sampler")

        def caught() -> bool:
            sampler.suspend()
            time.sleep(0.05)  # what others have begun ends meanwhile
            if self.ask(moment) == [(True,)]:
                return True
            sampler.resume()
            return False

        eventually(caught, "the sampler is caught at the moment")
        return sampler


@contextmanager
def passable_folder() -> Iterator[Path]:
    """A folder that every user may pass through, as a server's user must (pytest's own are private)."""
    folder = Path(tempfile.mkdtemp(prefix="adaqueue-live-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for process in processes_of(folder):
            with suppress(psutil.NoSuchProcess):
                process.resume()
        kill_everything(folder)
        for link in folder.rglob("servers"):
            EmbeddedServers(link.parent).discard()
        shutil.rmtree(folder)
