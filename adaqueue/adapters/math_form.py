"""Takes an answer apart: names, units, lists, sets, tuples, intervals, matrices; the pieces stay text."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from typing import Literal

from adaqueue.adapters.math_number import number, split_unit
from adaqueue.adapters.math_spelling import REALS, UNION, compact

Kind = Literal["piece", "base", "list", "set", "union", "tuple", "matrix", "row", "ratio", "equation"]

MAX_PARSED_CHARACTERS = 500
"""A longer answer is compared as text alone."""
MAX_DEPTH = 4
"""Brackets within brackets that are taken apart."""
DOTS = "…"
EMPTY = r"\emptyset"

_EQUALS = re.compile(r"\s*(?:(?<![<>!:=])=(?!=)|\\in(?![a-zA-Z]))\s*")
_NAME = re.compile(
    r"\\?[A-Za-z]+(?: [A-Za-z]+)*(?:_\{?\w+\}?)?'*(?: ?\([\w\s,]*\))?|\( ?[A-Za-z](?: ?, ?[A-Za-z])+ ?\)"
)
_VARIABLE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]|\\[a-z]+ ?_")
_BASE = re.compile(r"(?P<digits>-?\d[0-9A-Fa-f]*) ?_ ?\{? ?(?P<base>\d{1,2}) ?\}?")
_BUILDER = re.compile(r"⦃ ?[A-Za-z](?: ?\\in ?" + REALS + r")? ?[|:] ?(?P<condition>.*)⦄")
_ORDER = re.compile(r" ?(<|>|\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])) ?")
_SYMBOL = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?")
_FLIPPED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
_ENDLESS = r"\infty"


@dataclass(frozen=True)
class Form:
    """An answer or a part of one.

    Attributes:
        kind: `piece`: not taken apart further; `base`: a numeral whose base is in `unit`; `list`: parts in
            any order without braces; `set`: with them; `tuple`: also an interval; `equation`: its two sides.
        text: compact, of a piece, a numeral or an equation; the two brackets of a tuple.
        value: of a piece that is one number.
        parts: of everything else.
        unit: of a number or expression, "" for none.
        name: what `x = 5` calls it, "" for nothing.
    """

    kind: Kind
    text: str
    value: Fraction | None = None
    parts: tuple[Form, ...] = ()
    unit: str = ""
    name: str = ""


def read(text: str, depth: int = 0) -> Form:
    """Returns the parts of an answer in the spelling of `math_spelling.normalise`."""
    text = text.strip()
    if len(text) > MAX_PARSED_CHARACTERS or depth > MAX_DEPTH:
        return Form("piece", compact(text))
    if r"\begin" in text:  # cases and other layouts mean more than their entries
        return Form("piece", compact(text))
    builder = _BUILDER.fullmatch(text)
    if builder:
        return read(builder["condition"], depth + 1)
    name, value = _split_name(text)
    form = _form(value.strip(), depth)
    return replace(form, name=name) if name and not form.name else form


def _split_name(text: str) -> tuple[str, str]:
    """The name that `x = 5` gives to 5, and 5; of `2 + 3 = 5` and of longer chains no name, and the end.

    An equation with a variable (`x - 5 = 0`), one between unequal numbers and a list of equations stay whole.
    """
    *sides, value = _sides(text)
    if not sides or not value:
        return "", text
    if len(sides) == 1 and not _NAME.fullmatch(sides[0]) and _is_symbol(value):
        sides, value = [value], sides[0]
    name = sides[0] if _NAME.fullmatch(sides[0]) else ""
    if len(sides) == 1 and not name and _VARIABLE.search(f"{sides[0]} {split_unit(value)[0]}"):
        return "", text
    if any("," in side and not _NAME.fullmatch(side) for side in sides):
        return "", text
    if any(known not in {None, number(value)} for known in map(number, sides)):
        return "", text
    return compact(name), value


def _sides(text: str) -> list[str]:
    """What stands between the equals signs that no bracket holds."""
    depths = _depths(text)
    signs = [sign for sign in _EQUALS.finditer(text) if depths[sign.start()] == 0]
    starts, ends = [0, *(sign.end() for sign in signs)], [*(sign.start() for sign in signs), len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _is_symbol(text: str) -> bool:
    return bool(_SYMBOL.fullmatch(text)) and text not in {"e", "i", r"\pi", _ENDLESS}


def _form(text: str, depth: int) -> Form:
    value = number(text)
    if value is not None:
        return Form("piece", compact(text), value)
    if text == REALS:
        return _interval("()", f"-{_ENDLESS}", _ENDLESS)
    numeral = _BASE.fullmatch(text)
    if numeral and 2 <= int(numeral["base"]) <= 36:
        return Form("base", numeral["digits"], unit=numeral["base"])
    depths = _depths(text)
    return _several(text, depths, depth) or _bracketed(text, depths, depth) or _single(text, depths, depth)


def _several(text: str, depths: list[int], depth: int) -> Form | None:
    """A union or a list."""
    kinds: tuple[tuple[str, Kind], ...] = ((UNION, "union"), (",", "list"), (";", "list"))
    for separator, kind in kinds:
        pieces = _split(text, separator, depths, 0)
        if len(pieces) > 1:
            return Form(kind, "", parts=tuple(read(piece, depth + 1) for piece in pieces))
    return None


def _bracketed(text: str, depths: list[int], depth: int) -> Form | None:
    opened, closed = text[:1] in {"(", "[", "⦃", "⟦"}, text[-1:] in {")", "]", "⦄", "⟧"}
    if not (opened and closed) or 0 in depths[:-1] or len(text) < 3:
        return None
    if text[0] == "⟦":
        rows = _split(text[1:-1], ";", depths[1:-1], 1)
        return Form("matrix", "", parts=tuple(_row(row, depth) for row in rows))
    pieces = _split(text[1:-1], ",", depths[1:-1], 1)
    brackets = text[0] + text[-1]
    parts = tuple(read(piece, depth + 1) for piece in pieces)
    if len(parts) == 1 and (brackets == "()" or (depth == 0 and brackets == "⦃⦄" and _is_plain(parts[0]))):
        return parts[0]
    return Form("set", "", parts=parts) if brackets == "⦃⦄" else Form("tuple", brackets, parts=parts)


def _is_plain(form: Form) -> bool:
    """Whether braces around it say no more than it does."""
    return form.kind == "piece" and form.text != EMPTY


def _row(text: str, depth: int) -> Form:
    return Form(
        "row", "", parts=tuple(read(entry, depth + 1) for entry in _split(text, ",", _depths(text), 0))
    )


def _single(text: str, depths: list[int], depth: int) -> Form:
    bare, unit = split_unit(text)
    if unit:
        return replace(read(bare, depth + 1), unit=unit)
    sides = _split(text, ":", depths, 0)
    if len(sides) > 1:
        return Form("ratio", "", parts=tuple(read(side, depth + 1) for side in sides))
    if r"\pm" in text:
        return _either(text, depth)
    return _ordered(text) or _equation(text) or Form("piece", compact(text))


def _either(text: str, depth: int) -> Form:
    r"""What `\pm` stands for: two values, all upper signs or all lower ones."""
    if depth == MAX_DEPTH or text.count(r"\pm") > 1:
        return Form("piece", compact(text))
    upper, lower = (
        text.replace(r"\pm", own).replace(r"\mp", other) for own, other in (("+", "-"), ("-", "+"))
    )
    return Form("list", "", parts=(read(upper, depth + 1), read(lower, depth + 1)))


def _ordered(text: str) -> Form | None:
    """An inequality of one variable as the interval that it stands for, under the variable's name."""
    pieces = _ORDER.split(text)
    if len(pieces) == 3:
        left, sign, right = pieces
        if _is_symbol(right) and not _is_symbol(left):
            left, sign, right = right, _FLIPPED[sign], left
        if _is_symbol(left) and not _is_symbol(right) and right:
            below, above = (right, _ENDLESS) if sign in {">", r"\ge"} else (f"-{_ENDLESS}", right)
            return replace(_interval(_brackets(sign, below, above), below, above), name=compact(left))
    if len(pieces) == 5 and _is_symbol(pieces[2]):
        return _between(*pieces)
    return None


def _brackets(sign: str, below: str, above: str) -> str:
    closed = sign in {r"\le", r"\ge"}
    return ("[" if closed and above == _ENDLESS else "(") + ("]" if closed and above != _ENDLESS else ")")


def _between(left: str, first: str, name: str, second: str, right: str) -> Form | None:
    if first in {">", r"\ge"}:
        left, first, second, right = right, _FLIPPED[second], _FLIPPED[first], left
    if first not in {"<", r"\le"} or second not in {"<", r"\le"}:
        return None
    brackets = ("[" if first == r"\le" else "(") + ("]" if second == r"\le" else ")")
    return replace(_interval(brackets, left, right), name=compact(name))


def _interval(brackets: str, below: str, above: str) -> Form:
    return Form("tuple", brackets, parts=(read(below, MAX_DEPTH), read(above, MAX_DEPTH)))


def _equation(text: str) -> Form | None:
    sides = _sides(text)
    if len(sides) != 2 or not all(sides):
        return None
    return Form("equation", compact(text), parts=tuple(Form("piece", side, number(side)) for side in sides))


def _depths(text: str) -> list[int]:
    """How many brackets of any kind are open after each character."""
    return list(accumulate((char in "([{⦃⟦") - (char in ")]}⦄⟧") for char in text))


def _split(text: str, separator: str, depths: list[int], at_depth: int) -> list[str]:
    cuts = [place for place, char in enumerate(text) if char == separator and depths[place] == at_depth]
    return [text[start + 1 : end] for start, end in zip([-1, *cuts], [*cuts, len(text)], strict=True)]
