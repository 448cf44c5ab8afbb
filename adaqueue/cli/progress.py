"""Live progress on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from adaqueue.client import AdaQueue
from adaqueue.client.receipts import Receipt
from adaqueue.core.query import Query

CHUNK = 1_000


@contextmanager
def starting(console: Console) -> Iterator[Callable[[str], None]]:
    """Yields a function that shows in words what is being waited for."""
    with console.status("starting") as shown:
        yield shown.update


def answer_all(queue: AdaQueue, queries: Iterable[Query], words: str, console: Console) -> list[Receipt]:
    """Gives queries, waits until all have ended, shows how many have, and returns their receipts."""
    chosen = list(queries)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(words, total=len(chosen))
        receipts: list[Receipt] = []
        for start in range(0, len(chosen), CHUNK):
            receipts += queue.enqueue_many(chosen[start : start + CHUNK])
        for receipt in receipts:
            receipt.future.add_done_callback(lambda _: progress.advance(task))
        wait([receipt.future for receipt in receipts])
    return receipts
