"""Tells answers that nobody would write and that would take for ever to work out."""

from __future__ import annotations

import re

MAX_CHARACTERS = 500
MAX_DEPTH = 40
MAX_DIGITS = 400
MAX_TERMS_DIGITS = 5
MAX_CALCULUS = 2

_OPENING = re.compile(r"[({\[⦃⟦]")
_CLOSING = re.compile(r"[)}\]⦄⟧]")
_DIGITS = re.compile(r"\d+")
_CALCULUS = re.compile(r"\\(?:sum|prod|i*int|lim)(?![a-zA-Z])")
_TERMS = re.compile(
    r"\\(?:sum|prod)(?![a-zA-Z])[^^]*\^ ?\{? ?(?:\d+ ?\^|\d*!)|\\(?:sum|prod)(?![a-zA-Z])[^^]*\^\D{0,3}(\d+)"
)


def is_guarded(text: str) -> bool:
    """Whether a normalised answer is too long, too deep or asks for too many terms to be worked out.

    How large powers and factorials become is bounded where they are worked out, see `math_value`.
    """
    if len(text) > MAX_CHARACTERS or _depth(text) > MAX_DEPTH:
        return True
    if any(len(digits) > MAX_DIGITS for digits in _DIGITS.findall(text)):
        return True
    return len(_CALCULUS.findall(text)) > MAX_CALCULUS or any(map(_has_many_terms, _TERMS.finditer(text)))


def _has_many_terms(bound: re.Match[str]) -> bool:
    return bound[1] is None or len(bound[1]) > MAX_TERMS_DIGITS


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        depth += bool(_OPENING.match(char)) - bool(_CLOSING.match(char))
        deepest = max(deepest, depth)
    return deepest
