"""What a child does once its limits are in force: run a program, answer calls to it, or check another's."""

from __future__ import annotations

import _thread
import atexit
import builtins
import math
import os
import resource
import socket
import sys
import threading
import time
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from . import check, codec, frames

OUT_OF_MEMORY = 77
"""Exit status of a program that ended by MemoryError; one that pretends to gains nothing."""
_MOST_CALL_BYTES = 1 << 26
_FILE = "solution.py"


def play(role: str, payload: dict[str, Any]) -> NoReturn:
    """Plays a role to its end and exits with the status that says how it ended."""
    roles: dict[str, Callable[[dict[str, Any]], int]] = {
        "program": _run_program,
        "calls": _answer_calls,
        "check": check.run,
    }
    os._exit(roles[role](payload))


def rehearse(program: str) -> None:
    """Runs a program in this process, which goes on."""
    if _run_program({"programs": [program]}) != 0:
        raise RuntimeError("a simple program does not run")


def _run_program(payload: dict[str, Any]) -> int:
    module = types.ModuleType("__main__")
    status = _status_of(lambda: _load(payload["programs"], module))
    return _status_of(lambda: _finish(module.__dict__)) or status


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


def _finish(names: dict[str, Any]) -> None:
    """Does what Python does at the end of a program, whose globals these are."""
    if _thread._count():
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    _flush(sys.stdout, sys.stderr)
    # first what has something to do when it goes, such as a file that nobody closed
    for name in sorted(names, key=lambda name: not hasattr(type(names[name]), "__del__")):
        if name != "__builtins__":
            names[name] = None
    with suppress(ValueError):  # one that was detached
        _flush(sys.__stdout__, sys.__stderr__)


def _flush(*streams: TextIO | None) -> None:
    for stream in streams:
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()


def _load(programs: list[str], module: types.ModuleType) -> dict[str, Any]:
    """Runs the first program that is valid Python as that module; returns its globals."""
    sys.modules[module.__name__] = module
    module.__dict__.update(__file__=_FILE, __builtins__=builtins)
    exec(_compiled(programs), module.__dict__)  # noqa: S102 - what this process is for
    return module.__dict__


def _compiled(programs: list[str]) -> types.CodeType:
    for program in programs:
        try:
            return compile(program.removeprefix("\ufeff"), _FILE, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
    raise SyntaxError("no text is a program")


def _answer_calls(payload: dict[str, Any]) -> int:
    channel = socket.socket(fileno=check.CHANNEL)
    try:
        names = _load(payload["programs"], types.ModuleType("candidate"))
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
