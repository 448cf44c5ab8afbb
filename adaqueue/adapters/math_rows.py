"""Rows of math answers to be verified: what each asks for, and what it is answered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adaqueue.adapters.math_check import MathChecker
from adaqueue.core.records import Doubt
from adaqueue.errors import BadQueryError, VerifierError
from adaqueue.ports import Judge

REFUSED: Mapping[str, Any] = {"equal": None, "route": None, "seconds": None}
"""What is said of a row of which nothing can be told."""


@dataclass(frozen=True)
class MathRows:
    """Verifies the answers of rows.

    Attributes:
        checker: decides by rules.
        judge: asked about what the rules leave open; without one that stays open.
    """

    checker: MathChecker
    judge: Judge | None = None

    def verified(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the row with `equal` (None where only a judge could tell), `route` and `seconds`.

        Args:
            row: `gold`, the right answer; `response`, what a model wrote; perhaps `prompt`, for the judge.
                The rest is kept.

        Raises:
            BadQueryError: names the field, its value and the remedy, or says why nothing could be told.
        """
        gold, response = (_text(row, name) for name in ("gold", "response"))
        prompt = _text(row, "prompt") if row.get("prompt") is not None else ""
        started = time.perf_counter()
        try:
            equal, route = self._decide(prompt, gold, response)
        except VerifierError as error:
            raise BadQueryError("gold", gold, str(error)) from error
        return {**row, "equal": equal, "route": route, "seconds": round(time.perf_counter() - started, 6)}

    def _decide(self, prompt: str, gold: str, response: str) -> tuple[bool | None, str]:
        said = self.checker.check(gold, response)
        if said.equal is not None or self.judge is None:
            return said.equal, said.route
        return self.judge.equal([Doubt(prompt, gold, said.answer)])[0], "judge"


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise BadQueryError(name, value, "give text, in quotes")
    return value
