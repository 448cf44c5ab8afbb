"""Units as math answers write them, and what the convertible ones are worth."""

from __future__ import annotations

from fractions import Fraction

_UNIT_NAMES = {
    "millimeter": "millimeters millimetre millimetres mm",
    "centimeter": "centimeters centimetre centimetres cm",
    "meter": "meters metre metres m",
    "kilometer": "kilometers kilometre kilometres km",
    "inch": "inches in",
    "foot": "feet ft",
    "yard": "yards yd yds",
    "mile": "miles mi",
    "second": "seconds sec secs s",
    "minute": "minutes min mins",
    "hour": "hours hr hrs h",
    "day": "days",
    "week": "weeks",
    "month": "months",
    "year": "years yr yrs",
    "gram": "grams g",
    "kilogram": "kilograms kg",
    "pound": "pounds lb lbs",
    "ounce": "ounces oz",
    "milliliter": "milliliters millilitres ml",
    "liter": "liters litre litres l",
    "gallon": "gallons gal",
    "degree": "degrees deg",
    "radian": "radians rad",
    "dollar": "dollars",
    "cent": "cents",
    "unit": "units",
    "person": "persons people",
    "child": "children",
    "way": "ways",
    "point": "points pts",
    "student": "students",
    "boy": "boys",
    "girl": "girls",
    "marble": "marbles",
    "coin": "coins",
    "ball": "balls",
    "book": "books",
    "page": "pages",
    "card": "cards",
    "game": "games",
    "apple": "apples",
    "egg": "eggs",
    "cup": "cups",
    "celsius": "",
    "fahrenheit": "",
    "mile/hour": "mph",
}
UNITS = {alias: name for name, aliases in _UNIT_NAMES.items() for alias in (name, *aliases.split())}
"""Each way of writing a unit, and the unit's name."""

ANY_UNIT = "unit"
"""Stands for every unit of its power."""

_WORTH = {
    "length": {"millimeter": 1, "centimeter": 10, "meter": 1_000, "kilometer": 1_000_000},
    "imperial length": {"inch": 1, "foot": 12, "yard": 36, "mile": 63_360},
    "time": {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800},
    "mass": {"gram": 1, "kilogram": 1_000},
    "imperial mass": {"ounce": 1, "pound": 16},
    "volume": {"milliliter": 1, "liter": 1_000},
    "money": {"cent": 1, "dollar": 100},
}
_KINDS = {unit: (kind, Fraction(worth)) for kind, units in _WORTH.items() for unit, worth in units.items()}


def are_convertible(first: str, second: str) -> bool:
    """Whether two names of units measure the same thing, so that different numbers of them may be equal."""
    (one, one_power), (other, other_power) = _parts(first), _parts(second)
    if ANY_UNIT in {one, other}:
        return one_power == other_power
    return (
        one in _KINDS and other in _KINDS and one_power == other_power and _KINDS[one][0] == _KINDS[other][0]
    )


def worth(unit: str) -> Fraction | None:
    """Returns what one of a unit is worth among those it can be converted to, None for all others."""
    name, power = _parts(unit)
    return _KINDS[name][1] ** power if name in _KINDS else None


def _parts(unit: str) -> tuple[str, int]:
    name, _, power = unit.partition("^")
    return name, int(power or 1)
