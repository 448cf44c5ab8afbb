"""The check's process: runs trusted tests against a candidate that lives in another process."""

from __future__ import annotations

import ast
import builtins
import importlib
import os
import socket
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from . import codec, frames

PASSED = 100
REFUTED = 101
CANDIDATE_RAISED = 102
CANDIDATE_GONE = 103
CANDIDATE_SAID_TOO_MUCH = 104
OUT_OF_MEMORY = 105
BROKEN = 106
"""Exit statuses; 0 is none of them, so that a check that merely ends passes nothing."""

CHANNEL = 3
_FAMILIAR = (
    *("bisect", "collections", "copy", "functools", "heapq", "itertools", "math"),
    *("operator", "os", "random", "re", "string", "sys"),
)


def run(payload: dict[str, Any]) -> int:
    """Runs a check.

    Args:
        payload: `check`, source that defines check(candidate); `definitions`, source that it may rely on;
            `entry`, the candidate's name; `limit_bytes` of a reply.

    Returns:
        The exit status that says what came of it.
    """
    try:
        names = _names(payload)
        channel = socket.socket(fileno=CHANNEL)
    except Exception:  # noqa: BLE001 - whatever the check raises
        return BROKEN
    try:
        frames.receive(channel, payload["limit_bytes"])
    except (OSError, frames.TooLargeError):
        return CANDIDATE_GONE
    stubs = {name: _stub(channel, name, payload["limit_bytes"]) for name in _missing(names)}
    entry = _stub(channel, payload["entry"], payload["limit_bytes"])
    names |= {**stubs, "candidate": entry, payload["entry"]: entry}
    return _judged(lambda: names["check"](entry))


def _names(payload: dict[str, Any]) -> dict[str, Any]:
    """Returns the globals of the check: usual modules, the prompt's definitions, the check itself."""
    names: dict[str, Any] = {name: importlib.import_module(name) for name in _FAMILIAR}
    names["__name__"] = "check"
    with suppress(Exception):  # a prompt in plain words defines nothing
        _execute(_defined(payload["definitions"]), names)
    _execute(ast.parse(payload["check"]), names)
    return names


def _execute(tree: ast.Module, names: dict[str, Any]) -> None:
    exec(compile(tree, "check.py", "exec", dont_inherit=True), names)  # noqa: S102 - trusted source


def _defined(source: str) -> ast.Module:
    """Returns the source without those functions that are left to the candidate: they have no body."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and _is_empty(node))]
    return tree


def _is_empty(function: ast.FunctionDef) -> bool:
    return all(
        isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in function.body
    )


def _missing(names: dict[str, Any]) -> set[str]:
    """Returns the names that the check uses and nobody here defines: the candidate's, if anybody's."""
    return set(_used(names["check"].__code__)) - names.keys() - set(dir(builtins))


def _used(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _used(constant)


class _CandidateError(Exception):
    """Marks, as a second base, what the candidate raised."""


def _stub(channel: socket.socket, name: str, limit_bytes: int) -> Callable[..., object]:
    """Returns the candidate's function as the check sees it: each call goes to the candidate's process."""

    def call(*args: object, **named: object) -> object:
        try:
            frames.send(channel, codec.dumps((name, args, named)))
            kind, *rest = codec.loads(frames.receive(channel, limit_bytes))
            if kind == "value":
                return rest[0]
            error = _exception(*rest)
        except OSError:
            os._exit(CANDIDATE_GONE)
        except frames.TooLargeError:
            os._exit(CANDIDATE_SAID_TOO_MUCH)
        except (ValueError, TypeError):
            os._exit(REFUTED)  # no reply of ours: the candidate wrote to the channel itself
        raise error

    return call


def _exception(name: str, parts: list[str]) -> Exception:
    kind = getattr(builtins, name, None)
    bases: tuple[type, ...] = (_CandidateError,)
    # a StopIteration would end a loop of the check as if there were nothing more to test
    if isinstance(kind, type) and issubclass(kind, Exception) and kind is not StopIteration:
        bases = (kind, _CandidateError)
    with suppress(TypeError):
        return type(name, bases, {})(*parts)  # type: ignore[no-any-return]
    return _CandidateError(name, *parts)


def _judged(check: Callable[[], object]) -> int:
    try:
        check()
    except _CandidateError:
        return CANDIDATE_RAISED
    except AssertionError:
        return REFUTED
    except ImportError:
        return BROKEN
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception:  # noqa: BLE001 - such as a comparison with a result of the wrong type
        return CANDIDATE_RAISED
    return PASSED
