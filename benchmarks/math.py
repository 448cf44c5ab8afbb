"""Math checkers on labelled pairs: how many they decide rightly, wrongly, and how fast.

Ours is asked without a judge; math-verify with its own defaults (`verify(parse(gold), parse(response))`), in
a process of its own that is killed where it hangs; string equality compares the final answers' texts. Without
`--pairs` they check the pairs of `math_pairs.jsonl` beside this file, on which our rules were tried.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from adaqueue.adapters.math_answer import final_answer
from adaqueue.adapters.math_check import MathChecker
from adaqueue.adapters.math_pool import MathPool
from benchmarks import report

DEADLINE_SECONDS = 30.0
"""After which math-verify counts as hung; its own limit is 5 s each for parsing and comparing."""
REPEATS = 3
PAIRS = Path(__file__).with_name("math_pairs.jsonl")

Pair = Mapping[str, Any]
Check = Callable[[str, str], bool | None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Compares the checkers and reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.math", description=__doc__)
    parser.add_argument("--pairs", type=Path, default=PAIRS, help="JSON lines: gold, response, equal, kind")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="times that speed is measured")
    parser.add_argument("--json", metavar="FILE", help="where the figures go as JSON; - for stdout")
    chosen = parser.parse_args(arguments)
    pairs = [prepared(json.loads(line)) for line in chosen.pairs.read_text().splitlines() if line.strip()]
    figures: dict[str, Any] = {"pairs": len(pairs), "repeats": chosen.repeats}
    pool, rival = MathPool(1), MathVerifyProcess()
    checker = MathChecker(pool)
    try:
        pool.warm()
        checks: dict[str, Check] = {
            "ours": lambda gold, response: checker.check(gold, response).equal,
            "math_verify": rival.check,
            "string_equality": lambda gold, response: final_answer(response).strip() == gold.strip(),
        }
        for name, check in checks.items():
            figures[name] = measure(check, pairs, chosen.repeats)
    finally:
        checker.close()
        rival.close()
    if chosen.json != "-":
        show(figures)
    report.write(chosen.json, figures)


def prepared(row: Pair) -> Pair:
    """Returns a pair whose response is a whole one: an answer alone is put into a box."""
    response = row["response"] if row.get("kind") == "full" else rf"\boxed{{{row['response']}}}"
    return {**row, "response": response}


def measure(check: Check, pairs: Sequence[Pair], repeats: int) -> dict[str, Any]:
    """Returns what a checker decides, and how many pairs a second.

    Right is a decision as labelled; an undecided pair is neither right nor wrong. Hang inputs are left out of
    the speed, and counted in `slowest_seconds`.
    """
    check(pairs[0]["gold"], pairs[0]["response"])
    said, seconds = zip(*(_timed(check, pair) for pair in pairs), strict=True)
    usual = [pair for pair in pairs if pair.get("category") != "hang"]
    speeds = [_speed(check, usual) for _ in range(repeats)]
    labels = [pair["equal"] for pair in pairs]
    return {
        "right": sum(equal == label for equal, label in zip(said, labels, strict=True)),
        "false_accepts": sum(bool(equal) and not label for equal, label in zip(said, labels, strict=True)),
        "false_rejects": sum(equal is False and label for equal, label in zip(said, labels, strict=True)),
        "undecided": said.count(None),
        "pairs_per_second": median(speeds),
        "pairs_per_second_spread": [min(speeds), max(speeds)],
        "slowest_seconds": max(seconds),
    }


def _timed(check: Check, pair: Pair) -> tuple[bool | None, float]:
    started = time.perf_counter()
    equal = check(pair["gold"], pair["response"])
    return equal, time.perf_counter() - started


def _speed(check: Check, pairs: Sequence[Pair]) -> float:
    started = time.perf_counter()
    for pair in pairs:
        check(pair["gold"], pair["response"])
    return len(pairs) / (time.perf_counter() - started)


class MathVerifyProcess:
    """math-verify in a process that is killed and started again where it hangs."""

    def __init__(self) -> None:
        self._start()

    def check(self, gold: str, response: str) -> bool:
        """Returns what math-verify says; False where it hangs or dies."""
        self._connection.send((gold, response))
        with suppress(EOFError):
            if self._connection.poll(DEADLINE_SECONDS):
                return bool(self._connection.recv())
        self.close()
        self._start()
        return False

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, inside = context.Pipe()
        self._process = context.Process(target=_serve, args=(inside,), daemon=True)
        self._process.start()
        inside.close()
        self._connection.recv()


def _serve(connection: Connection) -> None:
    from math_verify import parse, verify

    logging.disable()  # it reports each of its timeouts
    connection.send(None)
    while True:
        gold, response = connection.recv()
        connection.send(bool(verify(parse(f"${gold}$"), parse(response))))


def show(figures: Mapping[str, Any]) -> None:
    """Prints a row for each checker."""
    columns = ("right", "false_accepts", "false_rejects", "undecided", "pairs_per_second", "slowest_seconds")
    table = Table("checker", *columns, title=f"{figures['pairs']} pairs")
    for name, figure in figures.items():
        if isinstance(figure, dict):
            table.add_row(name, *(f"{figure[column]:,.4g}" for column in columns))
    Console().print(table)


if __name__ == "__main__":
    main()
