"""Compares numbers with their units."""

from __future__ import annotations

from fractions import Fraction

from adaqueue.adapters.math_form import Form
from adaqueue.adapters.math_unit import are_convertible, worth


def same_amount(first: Form, second: Form) -> bool | None:
    """Returns whether two numbers are equal; None where so many of one unit may be as many of another.

    A percent sign that the problem may have said already is no difference that can be told.
    """
    if first.value == second.value:
        return True
    if _without_percent(first) == _without_percent(second):
        return None
    one, other = worth(first.unit), worth(second.unit)
    if first.unit != second.unit and one and other and are_convertible(first.unit, second.unit):
        return None if _times(first.value, one) == _times(second.value, other) else False
    return False


def units_agree(first: Form, second: Form) -> bool | None:
    """Returns False for units that both stand and differ, None where the amounts could be converted."""
    if "base" in {first.kind, second.kind} or not first.unit or not second.unit or first.unit == second.unit:
        return True
    exact = first.value is not None and second.value is not None
    if {first.unit, second.unit} == {"degree", "radian"}:
        return not exact
    if not are_convertible(first.unit, second.unit):
        return False
    comparable = None not in {worth(first.unit), worth(second.unit)}
    return False if comparable and first.value == second.value and exact else None


def _without_percent(form: Form) -> Fraction | None:
    """The number as if no percent sign stood there: whether it must is a matter of the problem."""
    return form.value * 100 if form.value is not None and form.text.endswith("%") else form.value


def _times(value: Fraction | None, factor: Fraction) -> Fraction | None:
    return None if value is None else value * factor
