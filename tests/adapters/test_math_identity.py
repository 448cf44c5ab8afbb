"""Proves that expressions are told equal or not by what they are worth, and two readings are refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.adapters.math_expression import Node, read_expression
from adaqueue.adapters.math_identity import identical, proportional
from adaqueue.adapters.math_spelling import normalise
from adaqueue.adapters.math_tokens import UnreadableError
from adaqueue.adapters.math_value import Evaluation, TooLargeError

MODEST = settings(max_examples=80, deadline=None)
X, Y = sympy.symbols("x y")
LEAVES = st.one_of(st.sampled_from([X, Y]), st.integers(-9, 9).map(sympy.Integer))


def read(text: str) -> Node:
    return read_expression(normalise(text))


def grown(parts: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    return st.one_of(
        st.tuples(parts, parts).map(lambda two: two[0] + two[1]),
        st.tuples(parts, parts).map(lambda two: two[0] * two[1]),
        st.tuples(parts, st.integers(2, 3)).map(lambda two: two[0] ** two[1]),
        st.tuples(parts, st.integers(1, 9)).map(lambda two: two[0] / two[1]),
    )


POLYNOMIALS = st.recursive(LEAVES, grown, max_leaves=8)


@MODEST
@given(POLYNOMIALS)
def test_a_polynomial_equals_its_expanded_and_its_factored_form(tree: sympy.Expr) -> None:
    written, expanded = sympy.latex(tree), sympy.latex(sympy.expand(tree))
    assert identical(read(written), read(expanded))
    assert identical(read(sympy.latex(sympy.factor(tree))), read(expanded))


@MODEST
@given(POLYNOMIALS, POLYNOMIALS)
def test_two_polynomials_are_equal_exactly_if_their_difference_vanishes(
    first: sympy.Expr, second: sympy.Expr
) -> None:
    equal = sympy.expand(first - second) == 0
    assert identical(read(sympy.latex(first)), read(sympy.latex(second))) is equal


@MODEST
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_roots_of_whole_numbers_are_simplified_as_sympy_does(a: int, b: int, c: int) -> None:
    tree = sympy.sqrt(a) * sympy.sqrt(b) + sympy.sqrt(c)
    assert identical(read(rf"\sqrt{{{a}}}\sqrt{{{b}}}+\sqrt{{{c}}}"), read(sympy.latex(tree)))
    assert identical(read(rf"\sqrt{{{a}}}"), read(rf"\sqrt{{{b}}}")) is (a == b)


@pytest.mark.parametrize(
    "text",
    [
        "1/2x", "2 3", "f(x+1)", "P(x)", "a/b/c", "AB", "even", "2+", "", "(1", "1)", r"\sin x/2",
        r"\sin", r"\vec{v}", r"5\frac{3}{2}", "x'", r"\sin^{-2} x", r"\sqrt23", "5!!", "≈5", r"\frac{1}",
    ],
)  # fmt: skip
def test_what_has_two_readings_or_none_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-2^2", -4),
        ("2^{3^2}", 512),
        ("2^10", 1024),
        ("1/2*4", 2),
        (r"3\frac12", Fraction(7, 2)),
        (r"2(3)", 6),
        ("5!", 120),
        ("50%", Fraction(1, 2)),
        ("|-3|", 3),
        (r"\lfloor -2.5 \rfloor", -3),
        (r"\log_2 8", 3),
        (r"\sin^2 30^\circ", Fraction(1, 4)),
        (r"\tan^{-1} 0", 0),
        (r"2\cdot3-4", 2),
        (r"\sqrt[3]{-27}", -3),
        ("--3", 3),
    ],
)
def test_expressions_are_read_as_they_are_meant(text: str, value: Fraction | int) -> None:
    assert identical(read(text), Fraction(value))


@pytest.mark.parametrize(
    "text", ["10^{10^{10}}", "100000!", r"\sin(10^{10^5})", "e^{10^9}", r"\binom{10^9}{5}"]
)
def test_what_is_too_large_is_refused_before_it_is_worked_out(text: str) -> None:
    with pytest.raises(TooLargeError):
        identical(read(text), Fraction(1))


@MODEST
@given(st.integers(31, 900), st.sampled_from([r"\sqrt{1+%s}", "1+%s", r"\cos(%s)", "e^{%s}", r"1+\pi %s"]))
def test_no_difference_is_too_small_to_be_seen(digits: int, shape: str) -> None:
    assert identical(Fraction(1), read(shape % f"10^{{-{digits}}}")) is False


@pytest.mark.parametrize("power", ["e^{300}", "10^{60}", "3^{2000}"])
def test_no_angle_is_too_large_to_be_worked_out(power: str) -> None:
    assert identical(read(rf"\sin({power})"), read(rf"\cos(\frac{{\pi}}{{2}}-{power})"))
    assert identical(read(rf"\sin({power})"), read(rf"\cos({power})")) is False


def test_a_sum_that_vanishes_but_for_rounding_is_nothing() -> None:
    vanishing = read(r"\sqrt{2}\sqrt{3}-\sqrt{6}")
    assert Evaluation({}, 10, 140).value(vanishing) == 0
    assert identical(vanishing, Fraction(0))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [("2x-2y", "y-x", True), ("x-y", "x+y", False), ("x^2-y", "2y-2x^2", True), ("x-1", "x-2", False)],
)
def test_curves_are_the_same_if_one_is_the_other_times_a_number(first: str, second: str, said: bool) -> None:
    assert proportional(read(first), read(second)) is said


@pytest.mark.parametrize(
    ("first", "second"), [(r"\sqrt{x^2}", "x"), (r"\ln x^2", r"2\ln x"), (r"\log x", r"\ln x"), ("1/0", "1")]
)
def test_what_holds_in_places_or_in_one_reading_is_not_told(first: str, second: str) -> None:
    assert identical(read(first), read(second)) is None
