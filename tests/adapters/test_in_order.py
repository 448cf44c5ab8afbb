"""Proves that work of several threads comes back in order, holds little at a time, and ends with a fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from adaqueue.adapters.in_order import WAITING_PER_THREAD, in_order


def test_results_come_in_the_order_of_the_items_whatever_each_takes() -> None:
    seconds = [number * 37 % 101 / 10_000 for number in range(200)]

    def work(number: int) -> int:
        time.sleep(seconds[number])
        return -number

    assert list(in_order(work, range(200), 8)) == [-number for number in range(200)]


def test_no_more_items_are_read_than_are_needed_ahead() -> None:
    read = 0
    first_may_end = threading.Event()

    def items() -> Iterator[int]:
        nonlocal read
        for number in range(1_000):
            read += 1
            if read == 2 * WAITING_PER_THREAD:
                first_may_end.set()
            yield number

    def work(number: int) -> int:
        assert number or first_may_end.wait(30)
        return number

    results = in_order(work, items(), 2)
    assert next(results) == 0
    assert read == 2 * WAITING_PER_THREAD
    assert len(list(results)) == 999


def test_a_fault_of_the_work_ends_the_iteration_where_it_stands() -> None:
    def work(number: int) -> int:
        return 10 // (5 - number)

    results = in_order(work, range(100), 4)
    assert [next(results) for _ in range(5)] == [2, 2, 3, 5, 10]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_nothing_to_do_is_done_at_once() -> None:
    assert list(in_order(str, [], 3)) == []
