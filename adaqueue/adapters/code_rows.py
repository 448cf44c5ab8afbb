"""Rows of programs to be verified: what each asks for, and what it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from adaqueue.adapters import code_program
from adaqueue.adapters.code_verifier import CodeVerifier
from adaqueue.adapters.code_wire import Limits, Report, Request
from adaqueue.core.code_reference import code_reference
from adaqueue.core.plain import check_finite, plain_object, whole
from adaqueue.core.query import Query
from adaqueue.errors import BadQueryError

MOST_CPU_SECONDS = 600.0
MOST_MEMORY_MEBIBYTES = 65_536
MOST_OUTPUT_BYTES = 2**30
REFUSED: Mapping[str, Any] = {"verdict": None, "tests": [], "seconds": None, "tier": None, "route": None}
"""What is said of a row that asks for nothing that can be done."""


@dataclass(frozen=True)
class CodeRows:
    """Verifies the programs of rows.

    Attributes:
        verifier: whom to ask; its limits hold where a row has none of its own.
        every_test: whether tests after the first failed one are run, too.
    """

    verifier: CodeVerifier
    every_test: bool = True

    def verified(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the row with `verdict`, `tests`, `seconds`, `tier` and `route`.

        Args:
            row: `code`, or `response` and perhaps `prompt`; `reference`; perhaps `limits`. The rest is kept.

        Raises:
            BadQueryError: names the field, its value and the remedy.
            VerifierError: no sandbox can be reached.
        """
        report = self.verifier.examine([self._request(row)])[0]
        return {**row, **_words(report)}

    def _request(self, row: Mapping[str, Any]) -> Request:
        code, response = row.get("code"), row.get("response")
        if (code is None) == (response is None):
            raise BadQueryError("code", code, "give code, a whole program, or response, a model's answer")
        for name, text in (("code", code), ("response", response)):
            if not isinstance(text, str | None):
                raise BadQueryError(name, text, "give text, in quotes")
        prompt, reference = _asked(row)
        return Request(
            programs=(code,) if code is not None else code_program.programs(prompt, str(response)),
            reference=reference,
            definitions=code_program.definitions(prompt),
            limits=_limits(row.get("limits"), self.verifier.limits),
            every_test=self.every_test,
            comparison=self.verifier.comparison,
        )


def _asked(row: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Returns the text that a completion continues, empty if there is none, and the tests."""
    if row.get("prompt") in (None, ""):
        return "", code_reference(row.get("reference"))
    if row.get("reference") is None:
        code_reference(None)
    query = Query(domain="code", prompt=row["prompt"], reference=row["reference"])
    return code_program.asked(query), code_reference(query.reference)


def _limits(given: object, default: Limits) -> Limits:
    if given is None:
        return default
    chosen = plain_object("limits", given)
    unknown = chosen.keys() - {"cpu_seconds", "memory_mebibytes", "output_bytes"}
    for name in sorted(unknown):
        remedy = "unknown limit; known are cpu_seconds, memory_mebibytes, output_bytes"
        raise BadQueryError(f"limits.{name}", chosen[name], remedy)
    if "cpu_seconds" in chosen:
        _check_seconds(chosen["cpu_seconds"])
    for name, most in (("memory_mebibytes", MOST_MEMORY_MEBIBYTES), ("output_bytes", MOST_OUTPUT_BYTES)):
        if name in chosen:
            whole(f"limits.{name}", chosen[name], 1, most)
    return replace(default, **chosen)


def _check_seconds(seconds: Any) -> None:
    check_finite("limits.cpu_seconds", seconds)
    if not 0 < seconds <= MOST_CPU_SECONDS:
        remedy = f"give more than 0 and at most {MOST_CPU_SECONDS:g} seconds"
        raise BadQueryError("limits.cpu_seconds", seconds, remedy)


def _words(report: Report) -> dict[str, Any]:
    return {
        "verdict": report.verdict,
        "tests": list(report.tests),
        "seconds": round(report.seconds, 6),
        "tier": report.tier,
        "route": report.route,
    }
