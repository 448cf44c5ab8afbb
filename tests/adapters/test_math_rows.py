"""Proves that a row of a math answer says what decided it, and that what no rule tells is left to a judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from adaqueue.adapters.math_check import MathChecker
from adaqueue.adapters.math_rows import MathRows
from adaqueue.core.records import Doubt
from adaqueue.errors import BadQueryError

RULES = MathChecker(None)
OPEN = {"gold": "x+1", "response": "So it is one more than x.", "prompt": "What?"}


class Obliging:
    """A judge that remembers what it was asked and agrees."""

    name, revision = "obliging", ""

    def __init__(self) -> None:
        self.asked: list[Doubt] = []

    def equal(self, doubts: Sequence[Doubt]) -> list[bool]:
        self.asked += doubts
        return [True] * len(doubts)


def test_rules_decide_what_they_can_and_say_how() -> None:
    found = MathRows(RULES).verified({"gold": "0.5", "response": r"\boxed{\frac12}", "id": 3})
    assert (found["equal"], found["route"], found["id"]) == (True, "number", 3)
    assert found["seconds"] >= 0
    assert MathRows(RULES).verified({"gold": "2", "response": r"\boxed{3}"})["equal"] is False


def test_what_no_rule_tells_stays_open_without_a_judge_and_goes_to_it_with_the_problem() -> None:
    assert MathRows(RULES).verified(OPEN)["equal"] is None
    judge = Obliging()
    found = MathRows(RULES, judge).verified(OPEN)
    assert (found["equal"], found["route"]) == (True, "judge")
    assert [(doubt.problem, doubt.reference) for doubt in judge.asked] == [("What?", "x+1")]
    assert MathRows(RULES, judge).verified({**OPEN, "response": r"\boxed{x+1}"})["route"] == "string"
    assert len(judge.asked) == 1


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"response": "2"}, "gold"),
        ({"gold": 2, "response": "2"}, "gold"),
        ({"gold": "2"}, "response"),
        ({"gold": " ", "response": "2"}, "gold"),
        ({"gold": "2", "response": "2", "prompt": 5}, "prompt"),
    ],
)
def test_a_bad_row_is_refused_by_field(row: dict[str, Any], field: str) -> None:
    with pytest.raises(BadQueryError) as caught:
        MathRows(RULES).verified(row)
    assert caught.value.field == field
