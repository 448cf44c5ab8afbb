"""What a child does once its limits are in force: run a program, answer calls to it, or check another's."""

from __future__ import annotations

import atexit
import builtins
import importlib
import os
import socket
import sys
import threading
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from . import codec, frames

OUT_OF_MEMORY = 77
"""Exit status of a program that ended by MemoryError; one that pretends to gains nothing."""
CHECK_PASSED = 100
CHECK_REFUTED = 101
CANDIDATE_RAISED = 102
CANDIDATE_GONE = 103
CANDIDATE_TALKED_TOO_MUCH = 104
CHECK_OUT_OF_MEMORY = 105
CHECK_BROKEN = 106

_CHANNEL = 3
_MOST_CALL_BYTES = 1 << 26
_FAMILIAR = (
    *("bisect", "collections", "copy", "functools", "heapq", "itertools", "math"),
    *("operator", "os", "random", "re", "string", "sys"),
)


def play(role: str, payload: dict[str, Any]) -> NoReturn:
    """Plays a role to its end and exits with the status that says how it ended."""
    roles: dict[str, Callable[[dict[str, Any]], int]] = {
        "program": _run_program,
        "calls": _answer_calls,
        "check": _check,
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
    channel = socket.socket(fileno=_CHANNEL)
    try:
        names = _load(payload["programs"], "candidate")
        function = _entry(names, payload["entry"])
        frames.send(channel, b"{}")
        while True:
            frames.send(channel, _reply(function, codec.loads(frames.receive(channel, _MOST_CALL_BYTES))))
    except MemoryError:
        return OUT_OF_MEMORY
    except BaseException:  # noqa: BLE001 - whatever the program raises
        return 1


def _entry(names: dict[str, Any], entry: str) -> Callable[..., object]:
    """Returns the function of that name, or the method of a class `Solution`."""
    if entry not in names and "Solution" in names:
        return getattr(names["Solution"](), entry)  # type: ignore[no-any-return]
    return names[entry]  # type: ignore[no-any-return]


def _reply(function: Callable[..., object], call: Any) -> bytes:
    try:
        return codec.dumps(("value", function(*call[0], **call[1])))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the program raises
        return codec.dumps(("raised", type(error).__name__, [str(part) for part in error.args]))


class _CandidateError(Exception):
    """Marks, as a second base, what the candidate raised: not the check's own fault."""


class _Stub:
    """The candidate as the check sees it: each call goes to the candidate's process."""

    def __init__(self, channel: socket.socket, limit_bytes: int) -> None:
        self._channel = channel
        self._limit_bytes = limit_bytes
        frames.receive(channel, limit_bytes)

    def __call__(self, *args: object, **named: object) -> object:
        try:
            frames.send(self._channel, codec.dumps((args, named)))
            answer = codec.loads(frames.receive(self._channel, self._limit_bytes))
            kind, *rest = answer
        except (OSError, ValueError, TypeError):
            os._exit(CANDIDATE_GONE)
        except frames.TooLargeError:
            os._exit(CANDIDATE_TALKED_TOO_MUCH)
        if kind == "value":
            return rest[0]
        raise _exception(*rest)


def _exception(name: str, parts: list[str]) -> Exception:
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return _CandidateError(name, *parts)
    try:
        return type(name, (kind, _CandidateError), {})(*parts)  # type: ignore[no-any-return]
    except TypeError:
        return _CandidateError(name, *parts)


def _check(payload: dict[str, Any]) -> int:
    try:
        names = _check_names(payload)
    except Exception:  # noqa: BLE001 - whatever the check raises
        return CHECK_BROKEN
    try:
        stub = _Stub(socket.socket(fileno=_CHANNEL), payload["limit_bytes"])
    except (OSError, frames.TooLargeError):
        return CANDIDATE_GONE
    names[payload["entry"]] = names["candidate"] = stub
    return _judged(lambda: names["check"](stub))


def _check_names(payload: dict[str, Any]) -> dict[str, Any]:
    """Returns the globals of the check: usual modules, the prompt's definitions, the check itself."""
    names: dict[str, Any] = {name: importlib.import_module(name) for name in _FAMILIAR}
    names["__name__"] = "check"
    with suppress(Exception):  # a prompt in plain words defines nothing
        exec(compile(payload["definitions"], "prompt.py", "exec", dont_inherit=True), names)  # noqa: S102 - what this process is for
    exec(compile(payload["check"], "check.py", "exec", dont_inherit=True), names)  # noqa: S102 - what this process is for
    return names


def _judged(check: Callable[[], object]) -> int:
    try:
        check()
    except _CandidateError:
        return CANDIDATE_RAISED
    except AssertionError:
        return CHECK_REFUTED
    except (NameError, ImportError):
        return CHECK_BROKEN
    except MemoryError:
        return CHECK_OUT_OF_MEMORY
    except Exception:  # noqa: BLE001 - such as a comparison with a result of the wrong type
        return CANDIDATE_RAISED
    return CHECK_PASSED
