"""Whether a response's final answer equals the reference: as text, then as exact numbers.

What neither can tell (equality of expressions, what a sentence means) counts as wrong, by route `string`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Literal, TypeAlias

from adaqueue.adapters.math_answer import UNION, compact, final_answer, normalise
from adaqueue.adapters.math_number import number, split_unit
from adaqueue.errors import VerifierError, shorten

Route = Literal["string", "number", "empty"]
Form: TypeAlias = "Fraction | str | tuple[Form, ...]"

MAX_PARSED_CHARACTERS = 500
"""A longer answer is compared as text alone."""
MAX_DEPTH = 4
"""Brackets within brackets that are taken apart."""

_EQUALS = re.compile(r"\s*(?:(?<![<>!:=])=(?!=)|\\in(?![a-zA-Z]))\s*")
_NAME = re.compile(r"\\?[A-Za-z]+(?: [A-Za-z]+)*(?:_\{?\w+\}?)?'*(?: ?\([\w\s,]*\))?")
_VARIABLE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]")


@dataclass(frozen=True)
class MathVerdict:
    """What the checker found.

    Attributes:
        passed: The final answer equals the reference.
        route: What decided: `number` (exact arithmetic), `string` (text alone; where not passed, nothing
            showed the two to be equal), `empty` (the response holds no answer).
    """

    passed: bool
    route: Route


class MathChecker:
    """Checks math answers; without state, so any number of threads may share one."""

    name = "math"
    version = "1"

    def check(self, reference: str, response: str) -> MathVerdict:
        """Returns whether the response's final answer (see `final_answer`) equals the reference.

        Units and names of variables that stand on both sides must agree; on one side alone they are ignored.
        Neither more nor fewer answers than the reference has will pass; their order counts in tuples alone.

        Args:
            reference: The right answer, plain or LaTeX, without a box.
            response: What the model wrote, of any length.

        Returns:
            The verdict, in bounded time and memory whatever the texts say.

        Raises:
            VerifierError: The reference is empty, so nothing could be told.
        """
        expected = normalise(reference)
        if not expected:
            raise VerifierError(f"the reference {shorten(reference)} holds no answer to compare with")
        answer = normalise(final_answer(response))
        if not answer:
            return MathVerdict(passed=False, route="empty")
        if compact(answer) == compact(expected):
            return MathVerdict(passed=True, route="string")
        return _compare(_read(expected), _read(answer))


@dataclass(frozen=True)
class _Answer:
    name: str
    unit: str
    form: Form


def _compare(expected: _Answer, answer: _Answer) -> MathVerdict:
    agree = (
        expected.form == answer.form
        and _compatible(expected.unit, answer.unit)
        and _compatible(expected.name, answer.name)
    )
    by_number = _holds_number(answer.form) if agree else _are_comparable(expected.form, answer.form)
    return MathVerdict(passed=agree, route="number" if by_number else "string")


def _compatible(first: str, second: str) -> bool:
    return not first or not second or first == second


def _are_comparable(first: Form, second: Form) -> bool:
    """Both are numbers throughout and, where both have parts, parts of the same kind: their values tell."""
    if isinstance(first, tuple) and isinstance(second, tuple) and first[0] != second[0]:
        return False
    return _is_numeric(first) and _is_numeric(second)


def _is_numeric(form: Form) -> bool:
    return all(map(_is_numeric, form[1:])) if isinstance(form, tuple) else isinstance(form, Fraction)


def _holds_number(form: Form) -> bool:
    return any(map(_holds_number, form)) if isinstance(form, tuple) else isinstance(form, Fraction)


def _read(text: str) -> _Answer:
    if len(text) > MAX_PARSED_CHARACTERS:
        return _Answer("", "", text)
    name, value = _split_name(text)
    value, unit = split_unit(value)
    return _Answer(name, unit, _form(value))


def _split_name(text: str) -> tuple[str, str]:
    """The name that `x = 5` gives to 5, and 5; of `2 + 3 = 5` and of longer chains no name, and the end.

    An equation with a variable (`x - 5 = 0`), one between unequal numbers and a list of equations stay whole.
    """
    *sides, value = _EQUALS.split(text)
    name = sides[0] if sides and _NAME.fullmatch(sides[0]) else ""
    if len(sides) == 1 and not name and _VARIABLE.search(sides[0]):
        return "", text
    if any("," in side for side in sides[1:]):
        return "", text
    if any(known not in {None, number(value)} for known in map(number, sides)):
        return "", text
    return compact(name), value


def _form(text: str, depth: int = 0) -> Form:
    """A number, a tuple of forms led by its brackets, or compact text; equal forms are equal answers."""
    text = text.strip()
    value = number(text)
    if value is not None:
        return value
    if depth == MAX_DEPTH:
        return compact(text)
    either = number(text.removeprefix("\\pm")) if text.startswith("\\pm") else None
    if either is not None:
        return _unordered("⦃⦄", [either, -either])
    brackets, parts = _parts(text)
    if not brackets:
        return compact(text)
    forms = [_form(part, depth + 1) for part in parts]
    if len(forms) == 1 and brackets in {"()", "⦃⦄"}:
        return forms[0]
    return _unordered(brackets, forms) if brackets in {UNION, "⦃⦄"} else (brackets, *forms)


def _unordered(brackets: str, forms: list[Form]) -> Form:
    return (brackets, *sorted(forms, key=str))


def _parts(text: str) -> tuple[str, list[str]]:
    """What holds the text's parts together, and the parts; two empty values for a text that is one piece."""
    depths = _depths(text)
    for separator, brackets in ((UNION, UNION), (",", "⦃⦄"), (";", ";")):
        parts = _split(text, separator, depths, 0)
        if len(parts) > 1:
            return brackets, parts
    if text[:1] in {"(", "[", "⦃", "⟦"} and text[-1] in {")", "]", "⦄", "⟧"} and 0 not in depths[:-1]:
        return text[0] + text[-1], _split(text[1:-1], ",", depths[1:-1], 1)
    return "", []


def _depths(text: str) -> list[int]:
    """How many brackets of any kind are open after each character."""
    return list(accumulate((char in "([{⦃⟦") - (char in ")]}⦄⟧") for char in text))


def _split(text: str, separator: str, depths: list[int], at_depth: int) -> list[str]:
    cuts = [place for place, char in enumerate(text) if char == separator and depths[place] == at_depth]
    return [text[start + 1 : end] for start, end in zip([-1, *cuts], [*cuts, len(text)], strict=True)]
