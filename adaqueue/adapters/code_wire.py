"""What passes between those who want programs verified and a sandbox: JSON, of limited size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from adaqueue.adapters import taco_compare
from adaqueue.adapters.code_compare import COMPARISONS, Comparison

MOST_REQUEST_BYTES = 64 << 20
MOST_REPORT_BYTES = 1 << 20
STARTED = b"started"
"""What a sandbox says when a program's turn has come; its report follows."""
SOCKET_SUFFIX = ".sock"


@dataclass(frozen=True)
class Limits:
    """What one run of a program may use.

    Attributes:
        cpu_seconds: CPU time; twice that and a second more by the clock.
        memory_mebibytes: address space, the interpreter's own 100 or so included.
        output_bytes: of each of its outputs.
    """

    cpu_seconds: float = 10.0
    memory_mebibytes: int = 512
    output_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        if self.cpu_seconds <= 0 or self.memory_mebibytes <= 0 or self.output_bytes <= 0:
            raise ValueError(f"limits must be positive: {self}")

    @property
    def wall_seconds(self) -> float:
        """How long a run may take by the clock."""
        return 2 * self.cpu_seconds + 1


@dataclass(frozen=True)
class Request:
    """One program and the tests that it must pass.

    Attributes:
        programs: readings of the response, best first; the first that is valid Python counts.
        reference: the query's tests, see `code_reference`.
        definitions: source that the check may rely on: the query's prompt.
        limits: of each run.
        every_test: whether tests after the first failed one are run, too.
        comparison: how outputs and results are compared with what is expected.
    """

    programs: tuple[str, ...]
    reference: Mapping[str, Any]
    definitions: str = ""
    limits: Limits = Limits()
    every_test: bool = False
    comparison: Comparison = "strict"

    def __post_init__(self) -> None:
        if self.comparison not in COMPARISONS:
            raise ValueError(f"unknown comparison: {self.comparison}")

    @property
    def route(self) -> str:
        """The way to a verdict: the style of the tests, marked where it is not our own comparison."""
        mark = "" if self.comparison == "strict" else f":{self.comparison}"
        return f"{self.reference['style']}{mark}"

    @property
    def sources(self) -> tuple[str, ...]:
        """The programs as they are run."""
        if self.comparison == "strict":
            return self.programs
        return tuple(taco_compare.program(text, self.reference["style"]) for text in self.programs)

    def to_bytes(self) -> bytes:
        """Returns the request as it travels."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Request:
        """Returns the request that `to_bytes` wrote."""
        fields = json.loads(data)
        fields["programs"] = tuple(fields["programs"])
        return cls(**{**fields, "limits": Limits(**fields["limits"])})


@dataclass(frozen=True)
class Report:
    """What a sandbox found.

    Attributes:
        verdict: as in `Verdict`; `not_verified` if it could not be told.
        tests: the verdict of each test that was run; a check counts as one test.
        route: as in `Request`; the reason of `not_verified`.
        tier: isolation under which the program ran: `A`, `B` or `none`; None if it did not run.
        seconds: time it took.
    """

    verdict: str
    tests: tuple[str, ...]
    route: str
    tier: str | None
    seconds: float

    def to_bytes(self) -> bytes:
        """Returns the report as it travels."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Report:
        """Returns the report that `to_bytes` wrote."""
        fields = json.loads(data)
        return cls(**{**fields, "tests": tuple(fields["tests"])})
