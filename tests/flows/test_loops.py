"""Proves that a step goes on through outages with growing pauses, and that other faults end the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from adaqueue.errors import LeaseLostError, UnavailableError
from adaqueue.flows.loops import LONGEST_PAUSE_SECONDS, repeat, repeat_all


class Watch(threading.Event):
    """An event on which nobody really waits; it remembers for how long somebody would have."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        return self.is_set()


def play(watch: Watch, script: Sequence[int | Exception]) -> Callable[[], int]:
    """Returns a step that does what the script says, and then says that it is time to stop."""
    left = list(script)

    def step() -> int:
        said = left.pop(0)
        if not left:
            watch.set()
        if isinstance(said, Exception):
            raise said
        return said

    return step


def pauses(script: Sequence[int | Exception], idle_seconds: float) -> list[float | None]:
    watch = Watch()
    repeat(play(watch, script), watch, idle_seconds)
    return watch.pauses


AWAY = UnavailableError("away")
LOST = LeaseLostError("lost")


@pytest.mark.parametrize(
    ("script", "idle", "expected"),
    [
        ([1, 2, 3], 0.5, []),
        ([1, 0, 1, 0], 0.5, [0.5, 0.5]),
        ([AWAY] * 6 + [1], 0.0, [0.0, 0.1, 0.2, 0.4, 0.8, 1.6]),
        ([AWAY] * 5 + [1], 1.0, [1.0, 2.0, 4.0, 5.0, 5.0]),
        ([AWAY, AWAY, 1, AWAY, AWAY, 1], 1.0, [1.0, 2.0, 1.0, 2.0]),
        ([AWAY, AWAY, 0, AWAY, 1], 1.0, [1.0, 2.0, 1.0, 1.0]),
        ([LOST, LOST, 1], 0.5, [0.5, 0.5]),
    ],
)
def test_pauses_are_as_long_as_there_is_nothing_to_do_and_grow_in_an_outage(
    script: Sequence[int | Exception], idle: float, expected: list[float]
) -> None:
    assert pauses(script, idle) == pytest.approx(expected)


def test_no_pause_in_an_outage_is_longer_than_the_longest() -> None:
    assert max(pause or 0.0 for pause in pauses([AWAY] * 40, 0.0)) == LONGEST_PAUSE_SECONDS


def test_nothing_is_done_once_it_is_time_to_stop() -> None:
    watch = Watch()
    watch.set()
    repeat(play(watch, []), watch, 1.0)
    assert watch.pauses == []


def test_any_other_fault_is_no_outage() -> None:
    with pytest.raises(ZeroDivisionError):
        pauses([1, ZeroDivisionError()], 0.0)


def test_all_steps_run_until_it_is_time_to_stop() -> None:
    stopping = threading.Event()
    turns = {"one": 0, "two": 0}

    def step(name: str) -> Callable[[], int]:
        def turn() -> int:
            turns[name] += 1
            if min(turns.values()) >= 3:
                stopping.set()
            return 1

        return turn

    repeat_all([(step("one"), 0.0), (step("two"), 0.0)], stopping)
    assert min(turns.values()) >= 3


def failing(error: BaseException) -> Callable[[], int]:
    def step() -> int:
        raise error

    return step


def test_a_step_that_fails_stops_all_others_and_its_error_is_raised() -> None:
    stopping = threading.Event()
    with pytest.raises(ZeroDivisionError):
        repeat_all([(lambda: 0, 60.0), (failing(ZeroDivisionError()), 0.0), (lambda: 1, 0.0)], stopping)
    assert stopping.is_set()


def test_a_step_that_fails_while_all_are_being_stopped_is_not_passed_over_in_silence() -> None:
    stopping, at_its_last_turn = threading.Event(), threading.Event()
    first: list[threading.Thread] = []

    def last_turn() -> int:
        at_its_last_turn.set()
        stopping.wait(60)
        first[0].join(60)  # its thread ends when the pool is being closed, and not before
        raise ZeroDivisionError

    def stop() -> int:
        first.append(threading.current_thread())
        at_its_last_turn.wait(60)
        stopping.set()
        return 1

    with pytest.raises(ZeroDivisionError):
        repeat_all([(stop, 0.0), (last_turn, 0.0)], stopping)
