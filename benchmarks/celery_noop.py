"""Celery's own floor: tasks that do nothing, a thread pool, the broker that the system uses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from celery import Celery

QUEUE = "noop"


def noop_per_second(broker_url: str, count: int) -> float:
    """Returns how many tasks a second one worker works off, of so many that already wait."""
    app = application(broker_url)
    for _ in range(count):
        app.send_task(QUEUE, args=[["id"]], queue=QUEUE, ignore_result=True)
    environment = {**os.environ, "NOOP_BROKER_URL": broker_url}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.celery_noop"], env=environment, stderr=subprocess.DEVNULL
    ) as worker:
        while (left := _waiting(app)) > 0.9 * count:  # the start of the worker is not its speed
            if worker.poll() is not None:
                raise RuntimeError(f"the worker ended with {worker.returncode}")
            time.sleep(0.02)
        started = time.perf_counter()
        while _waiting(app) > 0:
            time.sleep(0.02)
        seconds = time.perf_counter() - started
        worker.terminate()
    return left / seconds


def application(broker_url: str) -> Celery:
    """Returns a plain Celery application with a task that does nothing, its results ignored."""
    app = Celery("noop", broker=broker_url, set_as_current=False)
    app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
    app.task(name=QUEUE, ignore_result=True)(_nothing)
    return app


def _nothing(ids: list[str]) -> None:
    """What the task does."""


def _waiting(app: Celery) -> int:
    connection: Any  # what kombu's stubs leave out
    with app.connection_for_read() as connection:
        return int(connection.default_channel.queue_declare(QUEUE).message_count)


if __name__ == "__main__":
    application(os.environ["NOOP_BROKER_URL"]).worker_main(
        ["worker", "--pool=threads", "--concurrency=8", "--without-gossip", "--without-mingle", f"-Q{QUEUE}"]
    )
