"""Live progress on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from adaqueue import wiring
from adaqueue.client import AdaQueue
from adaqueue.client.receipts import Receipt
from adaqueue.core.query import Query
from adaqueue.errors import UnavailableError

CHUNK = 1_000


@contextmanager
def starting(console: Console) -> Iterator[Callable[[str], None]]:
    """Yields a function that shows in words what is being waited for."""
    with console.status("starting") as shown:
        yield shown.update


def still_up(settings: wiring.Settings) -> Callable[[], None]:
    """Returns a function that raises UnavailableError once no system is up in the settings' data folder."""

    def check() -> None:
        if not wiring.is_up(settings):
            where = f"no system is up any more in {settings.data_folder}"
            raise UnavailableError(f"{where}: queries wait in its ledger")

    return check


def answer_all(
    queue: AdaQueue,
    queries: Iterable[Query],
    words: str,
    console: Console,
    check: Callable[[], None],
) -> list[Receipt]:
    """Gives queries, all that the run gets, waits until all have ended, and returns their receipts.

    Args:
        queue: the run that answers.
        queries: what to ask.
        words: say what is going on.
        console: where progress is shown.
        check: called every second; raises when waiting is in vain.
    """
    chosen = list(queries)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(words, total=len(chosen))
        receipts: list[Receipt] = []
        for start in range(0, len(chosen), CHUNK):
            receipts += queue.enqueue_many(chosen[start : start + CHUNK])
        queue.seal()
        for receipt in receipts:
            receipt.future.add_done_callback(lambda _: progress.advance(task))
        pending = {receipt.future for receipt in receipts}
        while pending:
            _, pending = wait(pending, timeout=1.0)
            check()
    return receipts
