"""What can be told of answers that are words: the same ones, or such as exclude each other."""

from __future__ import annotations

import re
from fractions import Fraction

_WORDS = re.compile(r"[A-Za-z][A-Za-z' -]*")
_LETTERS = re.compile(r"[A-Za-z][A-Za-z' ]*")
_RUN = re.compile(r"(?P<number>[-+]?[\d.]*) ?(?P<run>[A-Za-z](?: ?[A-Za-z]){1,3})")
_ARTICLES = frozenset({"the", "a", "an"})
_EXCLUSIVE = tuple(
    frozenset(group.split())
    for group in (
        "yes no",
        "true false",
        "odd even neither both",
        "increasing decreasing constant",
        "positive negative zero",
        "convergent divergent",
        "converge diverge",
        "rational irrational",
        "prime composite",
        "acute obtuse right",
        "always sometimes never",
        "circle ellipse parabola hyperbola",
        "monday tuesday wednesday thursday friday saturday sunday",
        "january february march april may june july august september october november december",
    )
)
_NOUNS = frozenset(
    {
        *("solution", "root", "number", "integer", "value", "line", "point", "triangle", "circle", "square"),
        *("angle", "case", "time", "way", "side", "edge", "face", "prime", "factor", "digit", "step"),
    }
)
_KNOWN = frozenset().union(*_EXCLUSIVE)
# fmt: off
_NONE = re.compile(r"\b(?:zero|no|none|nothing|nobody|never|neither)\b", re.IGNORECASE)
_COUNTS = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty"
    r"|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|half|third|quarter|fifth|sixth|dozen|pair"
    r"|single|once|twice|both|unit|unity|pi)s?\b",
    re.IGNORECASE,
)
# fmt: on


def are_letters(text: str) -> bool:
    """Whether a compact piece is letters and nothing else, a word or a product of variables."""
    return bool(_LETTERS.fullmatch(text))


def are_rearranged(first: str, second: str) -> bool:
    """Whether nothing but letters tells two pieces apart: `ab` may be `ba`, but `was` is not `saw`."""
    one, other = _RUN.fullmatch(first), _RUN.fullmatch(second)
    if not one or not other:
        return False
    alike = sorted(one["run"].replace(" ", "")) == sorted(other["run"].replace(" ", ""))
    return alike or not (one["number"] or other["number"])


def are_words(text: str) -> bool:
    """Whether a compact piece is words rather than a product of variables."""
    if not _WORDS.fullmatch(text):
        return False
    words = text.lower().split()
    return any(len(word) >= 4 or word in _KNOWN for word in words)


def same_words(first: str, second: str) -> bool | None:
    """Returns whether two texts of words say the same; None where that takes a reader.

    Capitals, articles and the plural of some common nouns make no difference.
    """
    one, other = _stems(first), _stems(second)
    if one == other:
        return True
    if len(one) == len(other) == 1 and any({*one, *other} <= group for group in _EXCLUSIVE):
        return False
    return None


def names_another(text: str, value: Fraction) -> bool:
    """Whether a text is words that cannot stand for this number: `no solution` may stand for 0 alone."""
    return are_words(text) and not _COUNTS.search(text) and not (value == 0 and _NONE.search(text))


def _stems(text: str) -> list[str]:
    words = [word for word in text.lower().replace("-", " ").split() if word not in _ARTICLES]
    return [word[:-1] if word[:-1] in _NOUNS and word.endswith("s") else word for word in words]
