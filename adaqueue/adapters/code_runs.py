"""The three styles of tests: what is run, what it is given, and what its ending means.

Expected values stay in this process, or (style `assert`) in a second child that the candidate cannot reach.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from adaqueue.adapters import taco_compare
from adaqueue.adapters.code_compare import outputs_comparer, values_comparer
from adaqueue.adapters.code_wire import Limits, Request
from adaqueue.adapters.code_zygote import Ending, Run, Zygote
from adaqueue.adapters.sandbox import check, codec, frames
from adaqueue.errors import VerifierError


def run_tests(zygote: Zygote, request: Request) -> list[str]:
    """Returns a verdict for each test, up to the first failed one unless every test is wanted.

    Raises:
        VerifierError: it could not be told.
    """
    return _STYLES[request.reference["style"]](zygote, request)


def _run_stdin(zygote: Zygote, request: Request) -> list[str]:
    verdicts: list[str] = []
    for stdin, expected in request.reference["tests"]:
        run = partial(_run_program, zygote, request, stdin, expected)
        verdicts.append(_twice_if_by_clock(run))
        if verdicts[-1] != "passed" and not request.every_test:
            break
    return verdicts


def _twice_if_by_clock(run: Callable[[], tuple[str, bool]]) -> str:
    """Runs once more where the clock ran out and the CPU time did not: the machine may have been busy."""
    verdict, by_clock = run()
    return run()[0] if by_clock else verdict


def _run_program(zygote: Zygote, request: Request, stdin: str, expected: str) -> tuple[str, bool]:
    run = zygote.start("program", {"programs": request.sources}, request.limits, stdin.encode())
    run.wait()
    ending = zygote.end(run)
    same = outputs_comparer(request.comparison)
    verdict = ending.fault or ("passed" if same(expected, ending.output) else "wrong_answer")
    return verdict, ending.by_clock


def _run_function(zygote: Zygote, request: Request) -> list[str]:
    tests = request.reference["tests"]
    verdicts: list[str] = []
    while len(verdicts) < len(tests) and (request.every_test or set(verdicts) <= {"passed"}):
        verdicts += _run_from(zygote, request, tests[len(verdicts) :])
    return verdicts


def _run_from(zygote: Zygote, request: Request, tests: list[Any]) -> list[str]:
    """Returns verdicts of the first tests, at least one; those after it need a fresh process."""
    calls = _call(zygote, request, tests)
    if calls.by_clock:
        calls = _call(zygote, request, tests)
    if calls.fault is None:
        return calls.verdicts
    left = len(tests) - len(calls.verdicts)
    return calls.verdicts + [calls.fault] * (1 if calls.loaded else left)


@dataclass
class _Calls:
    """What came of one candidate's process.

    Attributes:
        verdicts: of the calls that it answered.
        loaded: whether it came as far as to be called.
        fault: the verdict of the call that ended it; None if none did.
        by_clock: whether it was the clock that ran out.
    """

    verdicts: list[str]
    loaded: bool = False
    fault: str | None = None
    by_clock: bool = False


def _call(zygote: Zygote, request: Request, tests: list[Any]) -> _Calls:
    """Runs tests one after another in one process, until it ends or one has failed."""
    calls = _Calls([])
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            payload = _candidate(request, request.limits.cpu_seconds)
            parts = len(tests) + 1
            run = zygote.start("calls", payload, request.limits, channel=theirs, parts=parts)
        fault = _converse(ours, run, request, tests, calls)
        ending = zygote.end(run)
    if fault:
        calls.fault = fault if fault != "ended" else ending.fault or "runtime_error"
        calls.by_clock = ending.by_clock
    elif ending.fault in _EXCESSES:
        calls.verdicts[-1] = ending.fault
    return calls


def _candidate(request: Request, cpu_seconds_each: float | None = None) -> dict[str, Any]:
    return {"programs": request.sources, "cpu_seconds_each": cpu_seconds_each}


def _converse(
    channel: socket.socket, run: Run, request: Request, tests: list[Any], calls: _Calls
) -> str | None:
    """Adds verdicts to `calls`; returns what went wrong, `ended` where the process's ending tells."""
    try:
        return _put(channel, run, request, tests, calls)
    except TimeoutError:
        run.late = True
    except frames.TooLargeError:
        return "output_limit"
    except codec.MalformedError:
        return "wrong_answer"  # no reply of ours: the candidate wrote to the channel itself
    except OSError:
        run.settle()
    return "ended"


def _put(channel: socket.socket, run: Run, request: Request, tests: list[Any], calls: _Calls) -> str | None:
    _receive(channel, request.limits)
    used = run.cpu_seconds_used()
    if used > request.limits.cpu_seconds:
        return "timeout"
    calls.loaded = True
    for test in tests:
        channel.settimeout(request.limits.wall_seconds)
        frames.send(channel, codec.dumps((request.reference["entry"], _arguments(request, test), {})))
        reply = codec.loads(_receive(channel, request.limits), codec.MOST_KEYS)
        before, used = used, run.cpu_seconds_used()
        if used - before > request.limits.cpu_seconds:
            return "timeout"
        calls.verdicts.append(_judge(request, test["expected"], reply))
        if calls.verdicts[-1] != "passed" and not request.every_test:
            return None
    return None


def _receive(channel: socket.socket, limits: Limits) -> bytes:
    return frames.receive(channel, limits.output_bytes, time.monotonic() + limits.wall_seconds)


def _arguments(request: Request, test: Any) -> list[Any]:
    given: list[Any] = test["args"]
    return given if request.comparison == "strict" else taco_compare.arguments(given)


def _judge(request: Request, expected: Any, reply: Any) -> str:
    same = values_comparer(request.comparison)
    match reply:
        case ("value", value):
            return "passed" if same(expected, value) else "wrong_answer"
    return "runtime_error"


def _run_assert(zygote: Zygote, request: Request) -> list[str]:
    return [_twice_if_by_clock(partial(_run_check, zygote, request))]


def _run_check(zygote: Zygote, request: Request) -> tuple[str, bool]:
    """Runs the check in one child and the candidate in another; they share a channel and nothing else."""
    payload = {
        "definitions": request.definitions,
        "check": request.reference["check"],
        "entry": request.reference["entry"],
        "limit_bytes": request.limits.output_bytes,
    }
    ours, theirs = socket.socketpair()
    with ours, theirs:
        candidate = zygote.start("calls", _candidate(request), request.limits, channel=theirs)
        judge = zygote.start("check", payload, request.limits, channel=ours)
    judge.wait()
    said = zygote.end(judge)
    if said.exit_status == check.CANDIDATE_GONE:
        candidate.settle()
    candidate.late = judge.late
    ending = zygote.end(candidate)
    return _meaning(said, ending), said.by_clock and ending.by_clock


# a program that ignores the signals of its limits can go on and give right answers
_EXCESSES = ("timeout", "output_limit", "sandbox_violation")
_SAID = {
    check.PASSED: "passed",
    check.REFUTED: "wrong_answer",
    check.CANDIDATE_RAISED: "runtime_error",
    check.CANDIDATE_SAID_TOO_MUCH: "output_limit",
    check.OUT_OF_MEMORY: "memory_limit",
}


def _meaning(judge: Ending, candidate: Ending) -> str:
    if judge.exit_status == check.PASSED and candidate.fault in _EXCESSES:
        return candidate.fault
    if judge.exit_status in _SAID:
        return _SAID[judge.exit_status]
    if judge.exit_status == check.CANDIDATE_GONE:
        return candidate.fault or "runtime_error"
    if judge.fault == "timeout":
        return "timeout"
    if judge.exit_status == check.BROKEN:
        raise VerifierError("the check itself fails, whatever the candidate does")
    raise VerifierError(f"the check's process ended without a result: {judge.fault}")


_STYLES: dict[str, Callable[[Zygote, Request], list[str]]] = {
    "stdin": _run_stdin,
    "function": _run_function,
    "assert": _run_assert,
}
