"""Runs a step again and again, through outages of the servers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from threading import Event

from adaqueue.errors import LeaseLostError, UnavailableError

log = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 5.0


def repeat(step: Callable[[], int], stopping: Event, idle_seconds: float) -> None:
    """Calls `step` until `stopping` is set; an outage costs a pause that doubles up to five seconds.

    Args:
        step: does some work and returns how much; 0 means that there was none.
        stopping: checked between calls.
        idle_seconds: pause after a step without work.
    """
    pause = idle_seconds
    while not stopping.is_set():
        try:
            worked = step()
        except UnavailableError as error:
            log.warning("%s; next try in %.1f s", error, pause)
            stopping.wait(pause)
            pause = min(max(2 * pause, 0.1), LONGEST_PAUSE_SECONDS)
            continue
        except LeaseLostError as error:
            log.warning("%s", error)
            worked = 0
        pause = idle_seconds
        if not worked:
            stopping.wait(idle_seconds)


def repeat_all(steps: Sequence[tuple[Callable[[], int], float]], stopping: Event) -> None:
    """Repeats steps (step, idle seconds), each in its own thread, until `stopping` is set.

    A step that fails for any other reason than an outage stops them all, and its error is raised: the
    process ends, and whoever supervises it starts it afresh.
    """
    with ThreadPoolExecutor(len(steps)) as threads:
        running = [threads.submit(repeat, step, stopping, idle) for step, idle in steps]
        try:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
        finally:
            stopping.set()
    for future in [*done, *running]:
        future.result()
