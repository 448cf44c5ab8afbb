"""Finds the final answer in a response to a math query."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adaqueue.adapters.math_number import number, split_unit
from adaqueue.adapters.math_spelling import MAX_ANSWER_CHARACTERS, normalise
from adaqueue.adapters.math_unit import UNITS

MAX_RESPONSE_CHARACTERS = 20_000
"""Only this much of a response's end is searched."""
MAX_BOXES = 8
"""Of more boxes than this, the earlier ones are not looked at."""
MAX_BARE_WORDS = 5
"""A response of more words is a sentence, not an answer."""
MAX_JOINT_CHARACTERS = 100
"""Boxes further apart than this are separate answers."""

_BOX = re.compile(r"(?<!\\)\\+(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_JOINT = re.compile(r"[\s$.,;&\\]*(?:and|or)?[\s$.,;&\\]*|[^.!?\n]*\bor\b[^.!?\n]*")
_HASHES = re.compile(r"####[ \t]*([^#\n]+)")
_ANSWER_IS = re.compile(r"\banswer\s*(?:is\b|:|=)[\s:*]*", re.IGNORECASE)
_LETTER_OR_DIGIT = re.compile(r"\w")
_SENTENCE_END = re.compile(r"\.(?:\s|$)")
_EQUALS = re.compile(r"(?<![<>!:=])=(?!=)")
_NOT_PROSE = re.compile(r"\\(?:text|mathrm|mbox)\s*\{[^{}]*\}|\\[a-zA-Z]+(?:\{[a-z]*matrix\})?")
_WORD = re.compile(r"[A-Za-z]{2,}")
_DIFFERENTIAL = re.compile(r"d[a-z]")
_PLAIN_WORD = re.compile(r"[A-Za-z'\",.:;*$]*=?")
_OUTER_MARKS = ".,;:?$*\"'"
# fmt: off
_CHANGES_A_NUMBER = frozenset({
    "and", "or", "not", "than", "least", "most", "about", "approximately", "roughly", "nearly", "almost",
    "between", "base", "mod", "minus", "negative", "plus", "times", "log", "ln", "sin", "cos", "tan", "sqrt",
    "pi", "half", "third", "thirds", "quarters", "dozen", "hundred", "thousand", "million", "billion",
})
# fmt: on


@dataclass(frozen=True)
class Found:
    """A response's final answer.

    Attributes:
        text: the answer, "" where the response holds none.
        is_marked: it stands in a box, or is the whole response: nothing else can have been meant.
    """

    text: str
    is_marked: bool


def final_answer(response: str) -> str:
    """Returns the text of the response's final answer, see `find_answer`, "" where it holds none.

    Args:
        response: What the model wrote, of any length; only the last 20,000 characters are searched.
    """
    return find_answer(response).text


def find_answer(response: str) -> Found:
    r"""Returns the response's final answer.

    That is the last balanced `\boxed{}`; without a box, the expression after the last `####`, or what follows
    the last "answer is"; else the last line if it is an expression, what follows its last `=`, the last
    number, or that whole line. Boxes joined by a comma or "or" are one answer of several parts.

    Args:
        response: What the model wrote, of any length; only the last 20,000 characters are searched.
    """
    text = response[-MAX_RESPONSE_CHARACTERS:]
    boxed = _boxed(text)
    if boxed is not None:
        return Found(boxed, True)
    if _is_bare(response):
        return Found(text.strip(), True)
    return Found(_unboxed(text), False)


def _is_bare(response: str) -> bool:
    """Whether the response is an answer and nothing else: one expression, or a few words without a number."""
    text = response.strip()
    if "\n" in text or "####" in text:
        return False
    words = [word for word in _words(text) if not _DIFFERENTIAL.fullmatch(word)]
    few = len(words) <= MAX_BARE_WORDS and not any(map(str.isdigit, text)) and not _ANSWER_IS.search(text)
    return not words or few


def _unboxed(text: str) -> str:
    after_hashes = [line for line in _HASHES.findall(text) if not _is_prose(line)]
    if after_hashes:
        return str(after_hashes[-1])
    _, *answers = _ANSWER_IS.split(text)
    if answers and answers[-1].strip():
        sentence = _SENTENCE_END.split(answers[-1].strip().splitlines()[0])[0]
        return _expression_in(sentence, numbers_at_most=1)
    return _expression_in(text.strip(), numbers_at_most=len(text))


def _boxed(text: str) -> str | None:
    """None without a box, "" if none closes."""
    openings = list(_BOX.finditer(text))[-MAX_BOXES:]
    if not openings:
        return None
    answers: list[str] = []
    begin = len(text)
    for opening in reversed(openings):
        end = _closing(text, opening.end())
        if end is None:
            continue
        if answers and not _are_joined(text, end + 1, begin):
            break
        answers.append(text[opening.end() : end].strip())
        begin = opening.start()
    return ",".join(dict.fromkeys(reversed(answers)))


def _are_joined(text: str, start: int, end: int) -> bool:
    return start <= end <= start + MAX_JOINT_CHARACTERS and bool(_JOINT.fullmatch(text, start, end))


def _closing(text: str, start: int) -> int | None:
    depth = 1
    for brace in _BRACE.finditer(text, start, start + MAX_ANSWER_CHARACTERS):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.start()
    return None


def _expression_in(text: str, numbers_at_most: int) -> str:
    lines = [line for line in text.splitlines() if _LETTER_OR_DIGIT.search(line)] or [text]
    last_line = lines[-1].strip()
    right_side = _EQUALS.split(last_line[-MAX_ANSWER_CHARACTERS:])[-1].strip()
    for candidate in (last_line, right_side):
        if candidate and not _is_prose(candidate):
            return candidate
    return _last_number(text, numbers_at_most) or last_line[:MAX_ANSWER_CHARACTERS]


def _is_prose(text: str) -> bool:
    if len(text) > MAX_ANSWER_CHARACTERS:
        return True
    return bool(_words(text))


def _words(text: str) -> list[str]:
    """Words that are neither commands nor units."""
    return [word for word in _WORD.findall(_NOT_PROSE.sub(" ", text)) if word.lower() not in UNITS]


def _last_number(text: str, numbers_at_most: int) -> str | None:
    """The last number and its unit, unless a neighbouring word or sign makes it part of something else."""
    words = ["", *text[-MAX_ANSWER_CHARACTERS:].split(), ""]
    places = [place for place, word in enumerate(words) if any(map(str.isdigit, word))]
    if not 1 <= len(places) <= numbers_at_most:
        return None
    before, word, after = words[places[-1] - 1 : places[-1] + 2]
    last = word.strip(_OUTER_MARKS)
    neighbours = [neighbour.strip(_OUTER_MARKS).lower() for neighbour in (before, after)]
    if not (_PLAIN_WORD.fullmatch(before) and _PLAIN_WORD.fullmatch(after)):
        return None
    if _CHANGES_A_NUMBER.intersection(neighbours) or number(split_unit(normalise(last))[0]) is None:
        return None
    return f"{last} {neighbours[1]}" if neighbours[1] in {*UNITS, "percent"} else last
