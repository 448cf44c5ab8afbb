"""What a child does once its limits are in force: run a program, answer calls to it, or check another's."""

from __future__ import annotations

import _thread
import atexit
import math
import os
import resource
import socket
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any, NoReturn

from . import check, codec, frames

OUT_OF_MEMORY = 77
"""Exit status of a program that ended by MemoryError; one that pretends to gains nothing."""
_MOST_CALL_BYTES = 1 << 26


def play(role: str, payload: dict[str, Any]) -> NoReturn:
    """Plays a role to its end and exits with the status that says how it ended."""
    roles: dict[str, Callable[[dict[str, Any]], int]] = {
        "program": _run_program,
        "calls": _answer_calls,
        "check": check.run,
    }
    os._exit(roles[role](payload))


def _run_program(payload: dict[str, Any]) -> int:
    status = _status_of(lambda: _load(payload["programs"], "__main__"))
    return _status_of(_finish) or status


def _status_of(action: Callable[[], object]) -> int:
    """Returns the exit status that Python would end with."""
    try:
        action()
    except SystemExit as ended:
        if ended.code is None:
            return 0
        return ended.code & 0xFF if isinstance(ended.code, int) else 1
    except MemoryError:
        return OUT_OF_MEMORY
    except BaseException:  # noqa: BLE001 - whatever the program raises
        return 1
    return 0


def _finish() -> None:
    """Does what Python does at the end of a program."""
    if _thread._count():
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _load(programs: list[str], name: str) -> dict[str, Any]:
    """Runs the first program that is valid Python as a module of that name; returns its globals."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(_compiled(programs), module.__dict__)  # noqa: S102 - what this process is for
    return module.__dict__


def _compiled(programs: list[str]) -> types.CodeType:
    for program in programs:
        try:
            return compile(program, "solution.py", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
    raise SyntaxError("no text is a program")


def _answer_calls(payload: dict[str, Any]) -> int:
    channel = socket.socket(fileno=check.CHANNEL)
    try:
        names = _load(payload["programs"], "candidate")
        frames.send(channel, b"{}")
        while True:
            call = codec.loads(frames.receive(channel, _MOST_CALL_BYTES))
            _renew_cpu_time(payload["cpu_seconds_each"])
            frames.send(channel, _reply(names, *call))
    except MemoryError:
        return OUT_OF_MEMORY
    except BaseException:  # noqa: BLE001 - whatever the program raises
        return 1


def _renew_cpu_time(cpu_seconds: float | None) -> None:
    """Gives the next call its own CPU time, within what the whole process may use."""
    if cpu_seconds is not None:
        most = resource.getrlimit(resource.RLIMIT_CPU)[1]
        until = math.ceil(time.process_time() + cpu_seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (min(until, most), most))


def _reply(names: dict[str, Any], function: str, args: list[Any], named: dict[str, Any]) -> bytes:
    try:
        return codec.dumps(("value", _function(names, function)(*args, **named)))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the program raises
        return codec.dumps(("raised", type(error).__name__, [str(part) for part in error.args]))


def _function(names: dict[str, Any], name: str) -> Callable[..., object]:
    """Returns the function of that name, or the method of a class `Solution`."""
    if name not in names and "Solution" in names:
        return getattr(names["Solution"](), name)  # type: ignore[no-any-return]
    return names[name]  # type: ignore[no-any-return]
