"""Compares numerals of a stated base."""

from __future__ import annotations

from adaqueue.adapters.math_form import Form


def same_numeral(first: Form, second: Form) -> bool | None:
    """Returns whether two numerals are equal; None where two bases write one number."""
    if first.unit == second.unit:
        return first.text.lstrip("0").upper() == second.text.lstrip("0").upper()
    return None if _numeral(first) == _numeral(second) is not None else False


def numeral_is_number(first: Form, second: Form) -> bool | None:
    """Returns False where neither digits nor value agree, else None: a base may be left out."""
    numeral, other = (first, second) if first.kind == "base" else (second, first)
    if other.value is None:
        return None
    return None if other.value == _numeral(numeral) or other.text == numeral.text else False


def _numeral(form: Form) -> int | None:
    try:
        return int(form.text, int(form.unit))
    except ValueError:
        return None
