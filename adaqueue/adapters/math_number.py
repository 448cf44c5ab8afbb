"""Numbers as math answers write them, exact and never floats, and the units after them."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from adaqueue.adapters.math_unit import UNITS

MAX_NUMBER_CHARACTERS = 500
MAX_EXPONENT = 1_000
MAX_POWER_BITS = 8_192

_DECIMAL = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)"
_SIGNED_DECIMAL = rf"[+-]?{_DECIMAL}"
_SIGNED = re.compile(r"([+-]?)\s*(.*?)\s*(%?)", re.DOTALL)
_UNIT = re.compile(
    r"(?P<number>.*(?:[\d}%)]|\\pi)) ?(?P<scale>square |sq\.? |cubic )?(?P<unit>[A-Za-z]+)"
    r"(?:\s*(?:/|per )\s*(?P<per>[A-Za-z]+))?(?:\s*\^\s*(?P<power>\d))?"
)
_EXPRESSION = re.compile(r"(?:[^A-Za-z\\]|\\(?:frac|sqrt|pi)(?![a-z]))*(?<=[\d})i]) ")
_PADDED = re.compile(r"[+-]?0\d")
_CURRENCY = re.compile(r"(?P<sign>[+-]?)\s*dollar (?P<number>.*)")


def number(text: str) -> Fraction | None:
    r"""Returns the exact value of one number, None for everything else.

    Understood: signs, thousands separators, decimals, `a/b`, `\frac{a}{b}`, mixed numbers, `1.5e3`,
    `1.5*10^3`, powers of whole numbers, repeating decimals, words up to twenty, percent (a
    hundredth). What might be huge is not computed.

    Args:
        text: In the spelling of `math_spelling.normalise`.
    """
    parts = _SIGNED.fullmatch(text)
    if parts is None or len(text) > MAX_NUMBER_CHARACTERS:
        return None
    sign, body, percent = parts.groups()
    if not percent and body.lower() in _WORDS:
        return _WORDS[body.lower()] * (-1 if sign == "-" else 1)
    for shape, value_of in _SHAPES:
        match = shape.fullmatch(body)
        value = value_of(match) if match else None
        if value is not None:
            return value * (-1 if sign == "-" else 1) / (100 if percent else 1)
    return None


def split_unit(text: str) -> tuple[str, str]:
    """Returns the text of a number or a constant expression, and its unit's name; else all, and no unit."""
    money = _CURRENCY.fullmatch(text)
    if money and number(money["number"]) is not None:
        return money["sign"] + money["number"], "dollar"
    match = _UNIT.fullmatch(text) if len(text) <= MAX_NUMBER_CHARACTERS else None
    if not match or not _has_value(match["number"], text):
        return text, ""
    names = [_unit_name(word) for word in (match["unit"], match["per"]) if word]
    if "" in names:
        return text, ""
    power = {"c": "3", "s": "2"}.get((match["scale"] or " ")[0], match["power"])
    return match["number"], "/".join(names) + (f"^{power}" if power not in {None, "1"} else "")


def _has_value(bare: str, text: str) -> bool:
    """A unit after anything else than a number stands apart, lest it be a factor."""
    return number(bare) is not None or bool(_EXPRESSION.fullmatch(text[: len(bare) + 1]))


def _unit_name(word: str) -> str:
    """A single letter is a variable here: `math_spelling.normalise` has spelled out those that are units."""
    return UNITS.get(word.lower(), "") if len(word) > 1 else ""


def _decimal(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))


def _ratio(match: re.Match[str]) -> Fraction | None:
    if any(_PADDED.match(match[part]) for part in ("top", "bottom")):
        return None  # 05/06 is a date
    whole, top, bottom = (_decimal(match[part] or "0") for part in ("whole", "top", "bottom"))
    if bottom == 0 or (match["whole"] and (top < 0 or bottom < 0)):
        return None
    return whole + top / bottom


def _power(match: re.Match[str]) -> Fraction | None:
    base, exponent = int(match["base"]), int(match["exponent"])
    if base == 0 or abs(exponent) * base.bit_length() > MAX_POWER_BITS:
        return None
    return _decimal(match["times"] or "1") * Fraction(base) ** exponent


def _scientific(match: re.Match[str]) -> Fraction | None:
    exponent = int(match["exponent"])
    return None if abs(exponent) > MAX_EXPONENT else _decimal(match["times"]) * Fraction(10) ** exponent


def _repeating(match: re.Match[str]) -> Fraction:
    whole, fixed, period = match["whole"] or "0", match["fixed"], match["period"]
    repeated = Fraction(int(period), 10 ** len(period) - 1)
    return int(whole) + (int(fixed or "0") + repeated) / Fraction(10 ** len(fixed))


_SHAPES: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Fraction | None]]] = [
    (re.compile(_DECIMAL), lambda match: _decimal(match[0])),
    (re.compile(rf"(?:(?P<whole>\d+)\s+)?(?P<top>{_DECIMAL})\s*/\s*(?P<bottom>{_DECIMAL})"), _ratio),
    (
        re.compile(
            rf"(?:(?P<whole>\d+)\s*)?\\frac\{{(?P<top>{_SIGNED_DECIMAL})\}}\{{(?P<bottom>{_SIGNED_DECIMAL})\}}"
        ),
        _ratio,
    ),
    (re.compile(rf"(?P<times>{_DECIMAL})[eE](?P<exponent>[+-]?\d+)"), _scientific),
    (
        re.compile(
            rf"(?:(?P<times>{_DECIMAL})\s*\*\s*)?(?P<base>\d+)\s*\^\s*"
            r"(?P<brace>\{)?\s*(?P<exponent>[+-]?\d+)\s*(?(brace)\})"
        ),
        _power,
    ),
    (
        re.compile(
            r"(?P<whole>\d*)\.(?P<fixed>\d*) ?\\(?:overline|bar|dot) ?\{?"
            r"(?P<period>(?:(?<=\{)\d+(?=\})|(?<!\{)\d))\}?"
        ),
        _repeating,
    ),
]
# fmt: off
_WORDS = {word: Fraction(value) for value, word in enumerate((
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
))}
# fmt: on
