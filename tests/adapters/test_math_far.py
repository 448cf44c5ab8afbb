"""Proves that what is equal near zero alone is never called equal, and what is equal everywhere still is."""

from __future__ import annotations

import pytest

from adaqueue.adapters.math_identity import identical
from adaqueue.adapters.math_symbolic import Symbolic

NEAR_ZERO = [
    ("|x+10|", "x+10"),
    ("|x-20|", "20-x"),
    (r"\sqrt{x^2+20x+100}", "x+10"),
    (r"((x+10)^2)^{1/2}", "x+10"),
    (r"\frac{|x+30|}{x+30}", "1"),
    (r"\lfloor x^2/1000\rfloor", "0"),
    (r"\lceil x^2/10^9\rceil", "1"),
    (r"(-1)^{\lfloor x^2/1000\rfloor}", "1"),
    (r"\arcsin(\sin(x/10))", "x/10"),
    (r"\arctan(\tan(x/20))", "x/20"),
    (r"\arccos(\cos(x^2/200))", "x^2/200"),
    ("|x+y+20|", "x+y+20"),
    ("|n-100|", "100-n"),
    ("|x+10^9|", "x+10^9"),
    (r"|x+\frac{10^{12}}{7}|", r"x+\frac{10^{12}}{7}"),
    ("|x^2-41x+420|", "x^2-41x+420"),
    ("|x^2-10^6|", "10^6-x^2"),
    ("|xy|", "xy"),
    (r"\sqrt{x^2y^2}", "xy"),
    (r"\ln(x^2y^2)", r"2\ln(xy)"),
]
EVERYWHERE = [
    (r"\sqrt{x^2}", "|x|"),
    ("|x^2+1|", "x^2+1"),
    ("|x-20|", "|20-x|"),
    (r"x\sqrt{x}", "x^{3/2}"),
    (r"\frac{x}{\sqrt{x^2+1}}", r"\frac{x\sqrt{x^2+1}}{x^2+1}"),
    (r"\sqrt{x^2+20x+100}", "|x+10|"),
    (r"\lfloor x+1\rfloor", r"\lfloor x\rfloor+1"),
    (r"\ln(e\cdot x)", r"1+\ln x"),
    (r"\arctan(2x)+1", r"1+\arctan(x+x)"),
    (r"|e^x|", "e^x"),
    (r"\sqrt{n^2+n}", r"\sqrt{n(n+1)}"),
]


@pytest.mark.parametrize(("first", "second"), NEAR_ZERO)
def test_what_holds_near_zero_alone_is_not_told(first: str, second: str) -> None:
    assert Symbolic().equal(first, second) is None
    assert Symbolic().equal(second, first) is None


@pytest.mark.parametrize(("first", "second"), EVERYWHERE)
def test_what_holds_everywhere_is_equal(first: str, second: str) -> None:
    assert Symbolic().equal(first, second)
    assert Symbolic().equal(second, first)


def test_curves_that_part_far_away_are_not_the_same() -> None:
    assert Symbolic().same_curve(("y", "|x+10|"), ("y", "x+10")) is None
    assert Symbolic().same_curve(("y", "|x+10|"), ("2y", "|2x+20|"))


def test_a_curve_is_not_a_line_that_is_everywhere() -> None:
    assert Symbolic().same_curve(("x", "x"), ("x", "y")) is None


def test_what_differs_at_ordinary_points_differs() -> None:
    tree = ("absolute", ("symbol", "x"))
    assert identical(tree, ("add", tree, ("symbol", "x"))) is False
