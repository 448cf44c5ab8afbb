"""What an expression is worth, to any precision: mpmath, within bounds on the size of every step.

Sums that vanish but for rounding are made exactly 0; a step that could be huge raises TooLargeError instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from mpmath import MPContext

from adaqueue.adapters.math_expression import Node

mp = MPContext()
"""Of our own: the precision of mpmath's common context is also others' to change."""
mpf, mpc = mp.mpf, mp.mpc

MAX_BITS = 20_000
"""Of the exponent of any step's value: 10 to the power of 6,000."""
MAX_FACTORIAL = 2_000
_NOISE = 0.9
"""Of the working precision: a sum smaller by so many bits than its terms is rounding."""


class NoValueError(Exception):
    """The expression has no value here: a division by zero, a pole, a branch that is a matter of taste."""


class TooLargeError(Exception):
    """A step would be larger or smaller than the bounds allow."""


@dataclass
class Evaluation:
    """Works out one expression at one point.

    Attributes:
        point: value of each symbol.
        common: base of `log` without one.
        bits: working precision.
        largest: bits of the largest or smallest value met on the way.
    """

    point: Mapping[str, Any]
    common: Any
    bits: int
    largest: int = field(default=0)

    def value(self, node: Node) -> Any:
        """Returns the value as a complex or real number of mpmath.

        Raises:
            NoValueError: there is none.
            TooLargeError: it is out of bounds, or a step is.
        """
        with mp.workprec(self.bits):
            return self._value(node)

    def _value(self, node: Node) -> Any:
        if isinstance(node, Fraction):
            return self._bounded(mpf(node.numerator) / node.denominator)
        operation, *arguments = node
        if operation == "symbol":
            return self.point[str(arguments[0])]
        if operation == "constant":
            return self._constant(str(arguments[0]))
        if operation == "power":
            return self._bounded(self._power(arguments[0], arguments[1]))  # type: ignore[arg-type]
        values = [self._value(argument) for argument in arguments]  # type: ignore[arg-type]
        try:
            return self._bounded(_OPERATIONS[operation](self, *values))
        except (ZeroDivisionError, ValueError, OverflowError) as error:
            raise NoValueError(operation) from error

    def _constant(self, name: str) -> Any:
        if name == "infty":
            raise NoValueError(name)
        return {"pi": +mp.pi, "e": +mp.e, "i": mpc(0, 1)}[name]

    def _bounded(self, value: Any) -> Any:
        if not mp.isfinite(value):
            raise NoValueError("infinite")
        if value != 0:
            size = abs(mp.mag(value))
            if size > MAX_BITS:
                raise TooLargeError
            self.largest = max(self.largest, size)
        return value

    def _power(self, base_node: Node, exponent_node: Node) -> Any:
        base, exponent = self._value(base_node), self._value(exponent_node)
        if base == 0:
            if isinstance(exponent, mpf) and exponent > 0:
                return mpf(0)
            raise NoValueError("a power of zero")
        if abs(exponent) > MAX_BITS or abs(exponent) * abs(mp.log(abs(base), 2)) > MAX_BITS:
            raise TooLargeError
        if isinstance(base, mpf) and base < 0 and not mp.isint(exponent):
            raise NoValueError("a root of a negative number")
        return base**exponent

    def add(self, first: Any, second: Any) -> Any:
        """Returns the sum, exactly 0 where only rounding is left of it."""
        total = first + second
        if total == 0 or first == 0 or second == 0:
            return total
        terms = max(mp.mag(first), mp.mag(second))
        return self._without_noise(total, terms)

    def _without_noise(self, value: Any, size: int) -> Any:
        floor = size - int(_NOISE * self.bits)
        if mp.mag(value) < floor:
            return mpf(0)
        if isinstance(value, mpc):
            real, imaginary = value.real, value.imag
            if imaginary == 0 or mp.mag(imaginary) < floor:
                return real
            return mpc(0 if real != 0 and mp.mag(real) < floor else real, imaginary)
        return value

    def clean(self, value: Any) -> Any:
        """Returns a value without a real or imaginary part that is rounding beside a size of 1."""
        return self._without_noise(value, 1) if value != 0 else value

    def root(self, degree: Any, value: Any) -> Any:
        """Returns the root; of a negative number the real one, if the degree is odd."""
        if not mp.isint(degree) or not 2 <= degree <= 100:
            raise NoValueError("a root of no whole degree")
        if isinstance(value, mpf) and value < 0 and int(degree) % 2:
            return -mp.root(-value, int(degree))
        return mp.root(value, int(degree))

    def factorial(self, value: Any) -> Any:
        """Returns the factorial of a number that is real and not too large."""
        if not isinstance(value, mpf) or value < 0:
            raise NoValueError("a factorial of a negative number")
        if value > MAX_FACTORIAL:
            raise TooLargeError
        return mp.factorial(value)

    def binomial(self, above: Any, below: Any) -> Any:
        """Returns the binomial coefficient of real numbers that are not too large."""
        if not isinstance(above, mpf) or not isinstance(below, mpf):
            raise NoValueError("a binomial coefficient of complex numbers")
        if max(abs(above), abs(below)) > MAX_FACTORIAL:
            raise TooLargeError
        return mp.binomial(above, below)

    def exponential(self, value: Any) -> Any:
        """Returns e to that power."""
        if abs(value) > MAX_BITS:
            raise TooLargeError
        return self._bounded(mp.exp(value))

    def step(self, rounded: Callable[[Any], Any], value: Any) -> Any:
        """Returns floor or ceiling; none for a number so near to a whole one that rounding decides."""
        if not isinstance(value, mpf):
            raise NoValueError("floor of a complex number")
        nearest = mp.nint(value)
        if value != nearest and abs(value - nearest) < mpf(2) ** (-int(self.bits * _NOISE) + mp.mag(value)):
            value = nearest
        return rounded(value)

    def tangent(self, above: Any, below: Any) -> Any:
        """Returns a quotient of sine and cosine, none at a pole."""
        below = self.clean(below)
        if below == 0:
            raise NoValueError("a pole")
        return self.clean(above) / below


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": Evaluation.add,
    "subtract": lambda own, a, b: own.add(a, -b),
    "multiply": lambda own, a, b: a * b,
    "divide": lambda own, a, b: a / b,
    "negate": lambda own, a: -a,
    "root": Evaluation.root,
    "sqrt": lambda own, a: own.root(mpf(2), a),
    "factorial": Evaluation.factorial,
    "binomial": Evaluation.binomial,
    "absolute": lambda own, a: abs(a),
    "abs": lambda own, a: abs(a),
    "floor": lambda own, a: own.step(mp.floor, a),
    "ceiling": lambda own, a: own.step(mp.ceil, a),
    "ln": lambda own, a: own.clean(mp.log(a)),
    "log": lambda own, a: own.clean(mp.log(a) / mp.log(own.common)),
    "lg": lambda own, a: own.clean(mp.log(a) / mp.log(own.common)),
    "logarithm": lambda own, a, b: own.clean(mp.log(b) / mp.log(a)),
    "exp": Evaluation.exponential,
    "sin": lambda own, a: own.clean(mp.sin(a)),
    "cos": lambda own, a: own.clean(mp.cos(a)),
    "tan": lambda own, a: own.tangent(mp.sin(a), mp.cos(a)),
    "cot": lambda own, a: own.tangent(mp.cos(a), mp.sin(a)),
    "sec": lambda own, a: own.tangent(mpf(1), mp.cos(a)),
    "csc": lambda own, a: own.tangent(mpf(1), mp.sin(a)),
    "sinh": lambda own, a: (own.exponential(a) - own.exponential(-a)) / 2,
    "cosh": lambda own, a: (own.exponential(a) + own.exponential(-a)) / 2,
    "tanh": lambda own, a: 1 - 2 / (own.exponential(2 * a) + 1),
    "arcsin": lambda own, a: own.clean(mp.asin(a)),
    "arccos": lambda own, a: own.clean(mp.acos(a)),
    "arctan": lambda own, a: own.clean(mp.atan(a)),
}
