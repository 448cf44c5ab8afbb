"""Compares answers part by part: equal, different, or not to be told.

What the pieces are worth is left to an `Arithmetic`; everything else is decided here: how many parts
there are, in what order they count, which units, bases and names agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from adaqueue.adapters.math_amount import same_amount, units_agree
from adaqueue.adapters.math_doubt import are_of_other_letters, hides_degrees, is_decimal_comma, lists_texts
from adaqueue.adapters.math_form import DOTS, EMPTY, Form
from adaqueue.adapters.math_numeral import numeral_is_number, same_numeral
from adaqueue.adapters.math_words import are_rearranged, are_words, names_another, same_words

_LETTER = re.compile(r"\\?[A-Za-z](?:_\{?\w+\}?)?'*")
_COLLECTIONS = frozenset({"list", "set", "union", "tuple", "matrix"})


class Arithmetic(Protocol):
    """What pieces of text are worth."""

    def equal(self, first: str, second: str) -> bool | None:
        """Returns whether two expressions are equal, None where that cannot be told."""
        ...

    def same_curve(self, first: tuple[str, str], second: tuple[str, str]) -> bool | None:
        """Returns whether two equations, each given by its sides, have the same solutions."""
        ...

    def is_one_value(self, text: str) -> bool:
        """Whether a text is one expression: not a set, not words."""
        ...


class Exact:
    """Knows equal texts and nothing else: numbers are compared before anybody is asked."""

    def equal(self, first: str, second: str) -> bool | None:
        """Returns True for equal texts, else None."""
        return True if first == second else None

    def same_curve(self, first: tuple[str, str], second: tuple[str, str]) -> bool | None:
        """Returns True for equal texts, else None."""
        return True if first == second else None

    def is_one_value(self, text: str) -> bool:
        """Returns False: it cannot read."""
        return False


class Comparison:
    """Compares forms by an arithmetic."""

    def __init__(self, arithmetic: Arithmetic) -> None:
        self._arithmetic = arithmetic

    def equal(self, first: Form, second: Form) -> bool | None:
        """Returns whether two answers are equal; None where nothing here can tell."""
        if first.kind == second.kind == "equation":
            return self._arithmetic.same_curve(_sides(first), _sides(second))
        if "equation" in {first.kind, second.kind}:
            return self._equation(first, second)
        said = _all((self._values(first, second), self._names(first, second)))
        if said is not True and are_of_other_letters(first.name, second.name):
            return None
        if said is False and _are_solved_for_each_other(first, second):
            return self._arithmetic.same_curve((first.name, first.text), (second.name, second.text))
        return said

    def _equation(self, first: Form, second: Form) -> bool | None:
        """An equation and something else, which is the equation's other way of writing only with a name."""
        equation, other = (first, second) if first.kind == "equation" else (second, first)
        if other.name and other.kind == "piece":
            return self._arithmetic.same_curve(_sides(equation), (other.name, other.text))
        if all(side.value is not None for side in equation.parts):
            return False
        return None

    def _names(self, first: Form, second: Form) -> bool | None:
        """Whether what the two are called agrees; a name on one side alone says nothing."""
        if not first.name or not second.name or first.name == second.name:
            return True
        return False if _LETTER.fullmatch(first.name) and _LETTER.fullmatch(second.name) else None

    def _values(self, first: Form, second: Form) -> bool | None:
        if first.kind != second.kind or first.kind not in _COLLECTIONS:
            return _all((self._unlike(first, second), units_agree(first, second)))
        if first.kind == "matrix":
            return self._rows(first, second)
        if first.kind == "tuple":
            return self._in_order(first.parts, second.parts) if first.text == second.text else False
        if _has_dots(first) or _has_dots(second):
            return self._sequences(first.parts, second.parts)
        said = self._in_any_order(first.parts, second.parts)
        doubtful = first.kind == second.kind == "list" and (lists_texts(first) or lists_texts(second))
        return None if said and doubtful and first.parts != second.parts else said

    def _unlike(self, first: Form, second: Form) -> bool | None:
        kinds = {first.kind, second.kind}
        for known, compare in self._pairings():
            if kinds == known:
                return compare(first, second)
        if "piece" in kinds:
            return self._one_and_many(first, second)
        return None

    def _pairings(self) -> Sequence[tuple[set[str], Callable[[Form, Form], bool | None]]]:
        return (
            ({"piece"}, self._pieces),
            ({"base"}, same_numeral),
            ({"base", "piece"}, numeral_is_number),
            ({"ratio"}, self._ratios),
            ({"list", "set"}, lambda one, other: self._in_any_order(one.parts, other.parts)),
            ({"matrix", "tuple"}, self._vector),
            ({"list", "tuple"}, self._loose),
            ({"set", "tuple"}, self._loose),
            ({"union", "tuple"}, self._part_of_union),
        )

    def _pieces(self, first: Form, second: Form) -> bool | None:
        if hides_degrees(first, second) or hides_degrees(second, first):
            return None
        if first.value is not None and second.value is not None:
            return same_amount(first, second)
        return True if first.text == second.text else self._texts(first, second)

    def _texts(self, first: Form, second: Form) -> bool | None:
        """Of two pieces that differ as text and are not both numbers."""
        if are_words(first.text) and are_words(second.text):
            return same_words(first.text, second.text)
        for one, other in ((first, second), (second, first)):
            if one.value is not None and (other.text == EMPTY or names_another(other.text, one.value)):
                return False
        if are_rearranged(first.text, second.text):
            return None
        return self._expressions(first, second)

    def _expressions(self, first: Form, second: Form) -> bool | None:
        """Where only one side is in degrees and the other holds pi, the angle counts."""
        for one, other in ((first, second), (second, first)):
            if one.unit == "degree" and other.unit in {"", "radian"} and r"\pi" in other.text:
                return self._arithmetic.equal(rf"({one.text})*\frac{{\pi}}{{180}}", other.text)
        return self._arithmetic.equal(first.text, second.text)

    def _ratios(self, first: Form, second: Form) -> bool | None:
        if any(part.value is None or part.text[:1] == "0" for part in (*first.parts, *second.parts)):
            return True if first.parts == second.parts else None  # 7:00 am
        said = self._in_order(first.parts, second.parts)
        if said is not False or len(first.parts) != 2 or len(second.parts) != 2:
            return said
        a, b, c, d = (part.value for part in (*first.parts, *second.parts))
        if a is None or b is None or c is None or d is None:
            return None
        return None if a * d == b * c else False

    def _vector(self, first: Form, second: Form) -> bool | None:
        """A column or row is what a tuple in round brackets is."""
        matrix, tuple_ = (first, second) if first.kind == "matrix" else (second, first)
        entries = _entries(matrix)
        if tuple_.text != "()" or (len(matrix.parts) > 1 and len(entries) > len(matrix.parts)):
            return None
        return self._in_order(entries, tuple_.parts)

    def _rows(self, first: Form, second: Form) -> bool | None:
        if len(first.parts) != len(second.parts):
            turned = 1 in {len(first.parts), len(second.parts)} and _entries(first) == _entries(second)
            return None if turned else False
        return _all(
            self._in_order(one.parts, other.parts)
            for one, other in zip(first.parts, second.parts, strict=True)
        )

    def _part_of_union(self, first: Form, second: Form) -> bool | None:
        """A union is more than one of its parts."""
        union, interval = (first, second) if first.kind == "union" else (second, first)
        return False if any(self.equal(part, interval) for part in union.parts) else None

    def _loose(self, first: Form, second: Form) -> bool | None:
        """A tuple and a list or set: never equal for certain, different if what they hold is."""
        tuple_, several = (first, second) if first.kind == "tuple" else (second, first)
        named = {part.name: part for part in several.parts}
        names = tuple_.name.strip("()").split(",")
        if len(names) == len(tuple_.parts) == len(several.parts) and named.keys() == set(names):
            return self._in_order(tuple_.parts, [named[name] for name in names])
        said = self._in_any_order(first.parts, second.parts)
        return False if said is False or tuple_.text != "()" else None

    def _one_and_many(self, first: Form, second: Form) -> bool | None:
        """One value is never several of which one differs from it, nor an interval, nor a matrix."""
        one, many = (first, second) if first.kind == "piece" else (second, first)
        if one.text == EMPTY:
            return False
        if not (one.value is not None or self._arithmetic.is_one_value(one.text)):
            return None
        if many.kind in {"tuple", "matrix", "union"}:
            return False
        said = [self.equal(one, part) for part in many.parts]
        if many.kind not in {"list", "set"} or _has_dots(many) or is_decimal_comma(one, many):
            return None
        if any(answer is False for answer in said):
            return False
        return None

    def _in_order(self, first: Sequence[Form], second: Sequence[Form]) -> bool | None:
        if len(first) != len(second):
            return None if any(_is_dots(part) for part in (*first, *second)) else False
        return _all(self.equal(one, other) for one, other in zip(first, second, strict=True))

    def _sequences(self, first: Sequence[Form], second: Sequence[Form]) -> bool | None:
        """Sequences that leave something out: the beginnings must agree, and what comes last."""
        places = [
            [_is_dots(part) for part in side].index(True)
            for side in (first, second)
            if any(map(_is_dots, side))
        ]
        if len(places) < 2:
            return None
        starts = zip(first[: min(places)], second[: min(places)], strict=False)
        ends = [(first[-1], second[-1])] if not _is_dots(first[-1]) and not _is_dots(second[-1]) else []
        said = [self.equal(one, other) for one, other in (*starts, *ends)]
        if any(answer is False for answer in said):
            return False
        return True if len(first) == len(second) and all(said) and places[0] == places[1] else None

    def _in_any_order(self, first: Sequence[Form], second: Sequence[Form]) -> bool | None:
        if any(_is_dots(part) for part in (*first, *second)):
            return None
        first, second = _distinct(first), _distinct(second)
        said = [[self.equal(one, other) for other in second] for one in first]
        if any(
            row and not any(answer is not False for answer in row)
            for row in [*said, *zip(*said, strict=True)]
        ):
            return False
        if len(first) != len(second):
            return None if any(answer is None for row in said for answer in row) else False
        free = set(range(len(second)))
        for row in said:
            match = next((place for place in sorted(free) if row[place]), None)
            if match is None:
                return None
            free.remove(match)
        return True


def _are_solved_for_each_other(first: Form, second: Form) -> bool:
    """Whether two equations of one curve may stand here, solved for different variables."""
    return (
        first.kind == second.kind == "piece"
        and first.name != second.name
        and bool(first.name)
        and first.name in second.text
        and bool(second.name)
        and second.name in first.text
    )


def _sides(equation: Form) -> tuple[str, str]:
    return equation.parts[0].text, equation.parts[1].text


def _entries(matrix: Form) -> list[Form]:
    return [entry for row in matrix.parts for entry in row.parts]


def _is_dots(form: Form) -> bool:
    return form.kind == "piece" and DOTS in form.text


def _has_dots(form: Form) -> bool:
    return any(map(_is_dots, form.parts))


def _distinct(forms: Sequence[Form]) -> list[Form]:
    return list(dict.fromkeys(forms))


def _all(said: Iterable[bool | None]) -> bool | None:
    """False if anything is false, True if everything is true, else None."""
    answers = list(said)
    if any(answer is False for answer in answers):
        return False
    return True if all(answers) else None
