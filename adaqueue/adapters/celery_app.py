"""The doorbell: Celery messages that carry ids alone, in JSON, without results."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError

from adaqueue.errors import UnavailableError

SAMPLE_BATCH = 64
TRAIN_QUEUE = "train"
EVALUATE_QUEUE = "evaluate"
BATCHES = {"features": 128, "verify": 16}
"""Ids of one message at most; a slow test holds up its message's other queries alone."""

LAST = 9
"""Priority of what gives way: Redis keeps it in lists of its own, which workers look at last."""

SMALL_BATCH = 8
"""Ids of a message that gives way: whoever comes next waits for one that is worked on."""


def make_app(broker_url: str) -> Celery:
    """Returns the Celery application.

    Messages are acknowledged early: a lost or doubled one is harmless, because the ledger's claims decide
    who works and the reaper rings again. One message is fetched ahead: with `worker_disable_prefetch` a
    worker of one thread asks the broker once a second only (1,319 replayed queries took 20 s instead of 4).
    """
    app = Celery("adaqueue", broker=broker_url, set_as_current=False)
    if broker_url.startswith("rediss://"):
        # kombu, unlike redis-py, checks no certificate unless it is told to
        app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "global_keyprefix": "adaqueue:celery:",
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
            # a bell that is not heard at once is the reaper's; without these, each ring would wait 6 s
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
        },
    )
    return app


def queue_name(queue: str) -> str:
    """Returns the Celery queue for `features`, `verify`, `train`, `evaluate`, or an engine's samples."""
    return queue if queue in (*BATCHES, TRAIN_QUEUE, EVALUATE_QUEUE) else f"sample-{queue}"


class CeleryDoorbell:
    """Rings through Celery.

    Args:
        app: as `make_app` gives it.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def ring(self, queue: str, ids: Sequence[UUID], *, alone: bool = False, gives_way: bool = False) -> None:
        """Rings for ids, see `Doorbell`."""
        most = 1 if alone else BATCHES.get(queue, SAMPLE_BATCH)
        name, priority = queue_name(queue), LAST if gives_way else None
        try:
            for batch in _batches([str(key) for key in ids], min(most, SMALL_BATCH) if gives_way else most):
                self._app.send_task(
                    name, args=[batch], queue=name, retry=False, ignore_result=True, priority=priority
                )
        except OperationalError as error:
            raise UnavailableError(f"Celery's broker: {error}") from error

    def waiting(self, queue: str) -> int:
        """Returns how many rings nobody has heard, see `Doorbell`."""
        connection: Any  # what kombu's stubs leave out
        with self._app.connection_for_write() as connection:
            try:
                declared = connection.default_channel.queue_declare(queue_name(queue))
            except (OperationalError, *connection.connection_errors) as error:
                raise UnavailableError(f"Celery's broker: {error}") from error
        return int(declared.message_count)


def add_task(app: Celery, queue: str, work: Callable[[list[UUID]], int]) -> None:
    """Lets the application's workers answer a queue's doorbell with `work`."""

    def answer_doorbell(ids: list[str]) -> None:
        work([UUID(key) for key in ids])

    app.task(name=queue_name(queue), ignore_result=True)(answer_doorbell)


def add_slot_task(app: Celery, name: str, work: Callable[[], Any]) -> None:
    """Lets the application's workers do a piece of scheduled work; it carries nothing, not even its slot."""

    def answer_schedule() -> None:
        work()

    app.task(name=name, ignore_result=True)(answer_schedule)


def send_when_due(app: Celery, entries: Mapping[str, tuple[Any, str]]) -> None:
    """Sends each task of the entries when it is due, and once at the start, until SIGTERM.

    Whoever works them off knows which slot they are for, so that several schedules do no harm, nor does one
    that was down when a slot was due.

    Args:
        app: of the workers.
        entries: tasks by name, with their schedules as Celery's beat reads them, and the queues to which they
            are sent.
    """
    app.conf.update(
        timezone="UTC",
        beat_schedule={
            name: {"task": name, "schedule": when, "options": {"queue": queue}}
            for name, (when, queue) in entries.items()
        },
    )
    for name, (_, queue) in entries.items():
        app.send_task(name, queue=queue, ignore_result=True)
    # the scheduler that keeps no file: it would be a pickle, and slots remember better
    app.Beat(scheduler_cls="celery.beat:Scheduler", loglevel="WARNING", quiet=True).run()


def serve(
    app: Celery, name: str, queues: Sequence[str], on_stop: Callable[[], Any], threads: int = 1
) -> None:
    """Runs a worker on the queues until SIGTERM; `on_stop` is called when the signal comes.

    Threads: a fork would break an engine or a judge; one of them, where the engine is one.
    """
    from celery.signals import worker_shutting_down

    from adaqueue.adapters.celery_acknowledgement import AcknowledgesAgain

    def stopping(**_: object) -> None:
        on_stop()

    worker_shutting_down.connect(stopping, weak=False)
    app.steps["consumer"].add(AcknowledgesAgain)
    app.worker_main(
        [
            "worker",
            "--pool=threads",
            f"--concurrency={threads}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            f"--queues={','.join(queue_name(queue) for queue in queues)}",
            f"--hostname={name}@%h",
            "--loglevel=WARNING",
        ]
    )


def _batches(ids: Sequence[str], most: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), most):
        yield list(ids[start : start + most])
