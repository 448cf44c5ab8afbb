"""The tokens of one LaTeX or plain expression."""

from __future__ import annotations

import re

# fmt: off
FUNCTIONS = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan",
    "ln", "log", "lg", "exp", "sqrt", "abs",
})
_NOT_PRODUCTS = frozenset({
    "and", "or", "not", "no", "for", "all", "the", "odd", "yes", "is", "if", "of", "to", "in", "by", "at",
    "on", "any", "mod", "gcd", "lcm", "max", "min", "sup", "inf", "lim", "det", "deg", "dim", "ker", "arg",
    "sgn", "one", "two", "six", "ten", "cm", "mm", "km", "kg", "ft", "mi", "mph", "DNE", "none", "cis",
})
# fmt: on
_TOKEN = re.compile(r"\s*(\d+\.?\d*|\.\d+|\\[A-Za-z]+|\\%|[A-Za-z]+|[-+*/^_!()\[\]{}|%])")


class UnreadableError(Exception):
    """The text is no expression that has one meaning."""


def tokens_of(text: str) -> list[str]:
    """Returns the tokens; a word that names a function becomes its command, other letters stand alone.

    Raises:
        UnreadableError: there is a character or a word that no expression holds.
    """
    tokens: list[str] = []
    place = 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnreadableError(f"the character {text[place]}")
        tokens += _letters(match[1]) if match[1][0].isalpha() else [match[1]]
        place = match.end()
    return tokens


def _letters(word: str) -> list[str]:
    """A function's or constant's name as one token; other letters stand for a product, if for anything."""
    if word in FUNCTIONS or word in {"pi", "degree"}:
        return [f"\\{word}"]
    if len(word) > 3 or word in _NOT_PRODUCTS or word.lower() in _NOT_PRODUCTS or _is_name(word):
        raise UnreadableError(f"the word {word}")
    return list(word)


def _is_name(word: str) -> bool:
    """Capitals side by side name a line or a shape, not a product."""
    return len(word) > 1 and word.isupper()
