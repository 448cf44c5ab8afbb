"""Tells where two answers look alike or different and only a reader of the question could say which."""

from __future__ import annotations

import re

from adaqueue.adapters.math_form import Form
from adaqueue.adapters.math_number import number
from adaqueue.adapters.math_words import are_letters

_OF_A_LETTER = re.compile(r"(?P<function>\\?[A-Za-z]\w*'*) ?\( ?[A-Za-z] ?\)")


def are_of_other_letters(first: str, second: str) -> bool:
    """Returns whether two names differ in the letter that a function is given: f(t) = 2t, f(x) = 2x."""
    one, other = _OF_A_LETTER.fullmatch(first), _OF_A_LETTER.fullmatch(second)
    return bool(one and other and first != second and one["function"] == other["function"])


def hides_degrees(first: Form, second: Form) -> bool:
    """Returns whether one is in degrees and the other may be in radians, or in another scale of heat."""
    if first.unit in {"celsius", "fahrenheit"}:
        return not second.unit
    return first.unit == "degree" and not second.unit and r"\pi" in first.text and r"\pi" in second.text


def is_decimal_comma(one: Form, many: Form) -> bool:
    """Returns whether `0,5` may stand for 0.5."""
    whole, *rest = (part.text for part in many.parts)
    return len(rest) == 1 and rest[0].isdigit() and number(f"{whole}.{rest[0]}") == one.value


def lists_texts(several: Form) -> bool:
    """Returns whether a list is one of words or capitals, whose order may count."""
    return all(
        part.kind == "piece" and part.value is None and are_letters(part.text) for part in several.parts
    )
