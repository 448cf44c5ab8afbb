"""A second reader for sums, products, integrals and limits: math-verify's parser, confirmed by numbers."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_COMMAND = re.compile(r"\\(?:sum|prod|int|lim|gcd|lcm|max|min)(?![a-zA-Z])")
_KNOWN = re.compile(
    r"(?:\\(?:sum|prod|int|lim|gcd|lcm|max|min|frac|sqrt|pi|infty|ln|log|exp|sin|cos|tan|to|binom|cdot)(?![a-zA-Z])"
    r"|(?<![A-Za-z])[a-zA-Z]{1,2}(?![A-Za-z])|\d+(?:\.\d+)?|[-+*/^_(){}=!, ])*"
)
_DIGITS = 30
_CLEARLY = 8


def needs_second_reader(text: str) -> bool:
    """Whether a piece holds one of the few things that math-verify reads and we do not."""
    return bool(_COMMAND.search(text))


def second_opinion(first: str, second: str) -> bool | None:
    """Returns whether two pieces are equal: if they agree to 30 digits; no, if not to 8; else None.

    Both must be numbers: what still holds a variable is not told.
    """
    values = [_value(text) for text in (first, second)]
    if None in values:
        return None
    apart = abs(values[0] - values[1])
    size = max(abs(values[0]), abs(values[1]))
    if apart <= size * 10**-_DIGITS:
        return True
    return False if apart > size * 10**-_CLEARLY else None


@cache
def _parser() -> Any:
    """The library is large: it is loaded when a worker starts."""
    from latex2sympy2_extended import latex2sympy
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig

    config = ConversionConfig(interpret_as_mixed_fractions=False, lowercase_symbols=False)
    return lambda text: latex2sympy(text, conversion_config=config)


def load() -> None:
    """Loads the library, and reads what warms its parser: the first integral takes it half a second."""
    for text in (r"\sum_{n=1}^{3} \frac{1}{n^{2}}", r"\int_{0}^{1} e^{-x} dx"):
        _parser()(text)


def _value(text: str) -> Any:
    """The number to 34 digits; None where the parser fails, or fewer digits give another number."""
    if not _KNOWN.fullmatch(text):
        return None
    try:
        tree = _parser()(text.replace("*", r"\cdot "))
        rough, value = (_worked_out(tree, digits) for digits in (_DIGITS // 2, _DIGITS + 4))
    except Exception:  # noqa: BLE001 - a parser written for trusted text, fed by a model, fails in any way
        return None
    if not (value.is_number and value.is_finite and rough.is_number):
        return None
    return value if abs(value - rough) <= abs(value) * 10**-_CLEARLY else None


def _worked_out(tree: Any, digits: int) -> Any:
    import sympy

    value = tree.evalf(digits)
    if value.is_number and not value.has(sympy.Limit, sympy.Product):
        return value
    return tree.doit().evalf(digits)
