"""Cuts a flow off at any of its port calls, before or after the call took effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from adaqueue.errors import UnavailableError

Port = TypeVar("Port")
Result = TypeVar("Result")
END = object()


class Crash(BaseException):
    """The process is gone; no `except Exception` survives it."""


@dataclass
class Fuse:
    """Blows once, at one port call among all.

    Attributes:
        at: which call, counted from 0 over all ports.
        after: whether the call still took effect.
        fault: what is raised.
        calls: how many there were.
        blown: whether it came to it.
    """

    at: int
    after: bool
    fault: type[BaseException]
    calls: int = 0
    blown: bool = False

    def carry(self, call: Callable[[], Result]) -> Result:
        strikes = self.calls == self.at
        self.calls += 1
        if strikes and not self.after:
            self._blow()
        try:
            return call()
        finally:
            if strikes:
                self._blow()

    def _blow(self) -> None:
        self.blown = True
        raise self.fault(f"at port call {self.at}")


FAULTS = [(fault, after) for fault in (Crash, UnavailableError) for after in (False, True)]


def fused(port: Port, fuse: Fuse) -> Port:
    """Returns the port with every call of it, and every item of what it yields, under the fuse."""
    return cast(Port, _Fused(port, fuse))


class _Fused:
    def __init__(self, port: object, fuse: Fuse) -> None:
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value):
            return value

        def call(*given: Any, **named: Any) -> Any:
            result = self._fuse.carry(lambda: value(*given, **named))
            return self._each(result) if isinstance(result, Iterator) else result

        return call

    def _each(self, items: Iterator[Any]) -> Iterator[Any]:
        while (item := self._fuse.carry(lambda: next(items, END))) is not END:
            yield item
