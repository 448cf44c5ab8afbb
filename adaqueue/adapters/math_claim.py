"""Finds what a response without a box names as its answer, and only what it names beyond doubt."""

from __future__ import annotations

import re

from adaqueue.adapters.math_spelling import MAX_ANSWER_CHARACTERS
from adaqueue.adapters.math_unit import UNITS

MAX_LEAD_CHARACTERS = 300
"""Of the sentence before "answer", which may deny or doubt it."""
MAX_CLAIMS = 8
"""Of more, the earlier ones are not looked at."""


_HASHES = re.compile(r"####[ \t]*([^#\n]+)")
_ANSWER_IS = re.compile(r"\banswer\s{0,9}(?:is\b|:|=)[\s:*]*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\n")
_NOT_PROSE = re.compile(r"\\(?:text|mathrm|mbox)\s*\{[^{}]*\}|\\[a-zA-Z]+(?:\{[a-z]*matrix\})?")
_WORD = re.compile(r"[A-Za-z]{2,}")
_ANY_WORD = re.compile(r"[A-Za-z']+")
_CLAUSE = re.compile(r"[,;:]")
_SENTENCE_START = re.compile(r"[.!?](?=\s|$)|\n")
_OUTER_MARKS = " *_`"
# fmt: off
_LEADS = frozenset({
    "so", "thus", "hence", "therefore", "and", "finally", "the", "our", "my", "final", "correct", "right",
    "numerical", "exact", "that", "this", "means", "we", "conclude", "get", "short",
})
_DOUBTS = frozenset({
    "if", "when", "unless", "suppose", "assume", "assuming", "not", "no", "never", "wrong", "incorrect",
    "were", "would", "might", "could", "may", "perhaps", "maybe", "probably", "think", "guess", "doubt",
    "whether", "case", "otherwise", "else", "for", "but", "however", "wait", "actually", "mistake",
    "false", "or", "hmm", "alternatively", "check", "verify", "instead", "isn't", "don't", "doesn't",
    "can't", "cannot", "say", "says", "said", "claim", "claims", "error", "recheck", "sorry", "unsure",
    "approximately", "about", "times", "plus", "minus", "more", "less", "another", "different",
    "student", "try", "than", "rather", "except", "half", "twice",
})
_CLOSES = frozenset({
    "i", "hope", "it", "this", "that", "is", "correct", "helps", "thank", "thanks", "you", "qed", "done",
})
# fmt: on


def claimed(text: str) -> str:
    """Returns the expression after `####`, or directly after "answer is"; "" where it may be another.

    A doubt before it in the same sentence, anything after it but a polite closing, and two claims that differ
    leave nothing claimed.
    """
    hashes = list(_HASHES.finditer(text))
    found = [line for line in hashes if not is_prose(line[1])]
    if found:
        sole = len({line[1].strip() for line in found}) == 1
        return (
            found[-1][1].strip() if sole and not text[found[-1].end() :].strip(_OUTER_MARKS + "\n\r") else ""
        )
    claims = list(_ANSWER_IS.finditer(text))
    named = [_named(text, claim) for claim in claims[-MAX_CLAIMS:]]
    if not named or not named[-1] or set(named) - {named[-1], ""}:
        return ""
    return named[-1] if _leads(text, claims[-1].start()) and _closes(text, claims[-1].end()) else ""


def words_of(text: str) -> list[str]:
    """Returns the words that are neither commands nor units."""
    return [word for word in _WORD.findall(_NOT_PROSE.sub(" ", text)) if word.lower() not in UNITS]


def is_prose(text: str) -> bool:
    """Whether a text is no single expression."""
    return len(text) > MAX_ANSWER_CHARACTERS or bool(words_of(text))


def _named(text: str, claim: re.Match[str]) -> str:
    """The expression that directly follows one claim, "" where something else does."""
    answer = text[claim.end() : _end(text, claim.end())].strip(_OUTER_MARKS)
    return "" if is_prose(answer) else answer


def _end(text: str, start: int) -> int:
    end = _SENTENCE_END.search(text, start)
    return end.start() if end else len(text)


def _leads(text: str, start: int) -> bool:
    """Whether the sentence up to "answer" says nothing that may turn it into another's, or none."""
    before = text[max(0, start - MAX_LEAD_CHARACTERS) : start]
    sentence = _SENTENCE_START.split(before)[-1].lower()
    *others, clause = _CLAUSE.split(sentence)
    doubted = _DOUBTS.intersection(_ANY_WORD.findall(" ".join(others)))
    return not doubted and _LEADS.issuperset(_ANY_WORD.findall(clause))


def _closes(text: str, start: int) -> bool:
    """Whether nothing follows the sentence that may take it back."""
    after = text[_end(text, start) :]
    return _CLOSES.issuperset(_ANY_WORD.findall(after.lower())) and not any(
        char.isdigit() or char == "?" for char in after
    )
