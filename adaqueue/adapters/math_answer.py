"""Finds the final answer in a response to a math query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from adaqueue.adapters.math_claim import claimed, words_of
from adaqueue.adapters.math_spelling import MAX_ANSWER_CHARACTERS

MAX_RESPONSE_CHARACTERS = 20_000
"""Only this much of a response's end is searched."""
MAX_BOXES = 8
"""Of more boxes than this, the earlier ones are not looked at."""
MAX_BARE_WORDS = 5
"""A response of more words is a sentence, not an answer."""
MAX_JOINT_CHARACTERS = 100
"""Boxes further apart than this are separate answers."""

MAX_TAIL_CHARACTERS = 2_000
"""Of a response without a box, which a judge gets to see."""

Mark = Literal["box", "claim", "expression", "words", ""]

_BOX = re.compile(r"(?<!\\)\\+(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_JOINT = re.compile(r"[\s$.,;&\\]*(?:and|or)?[\s$.,;&\\]*|[^.!?\n]*\bor\b[^.!?\n]*")
_ANSWER = re.compile(r"\banswer", re.IGNORECASE)
_DIFFERENTIAL = re.compile(r"d[a-z]")


@dataclass(frozen=True)
class Found:
    """A response's final answer.

    Attributes:
        text: the answer, "" where the response marks none.
        mark: how it is marked: it stands in a `box`, a `claim` names it ("answer is", `####`), or it is the
            whole response, one `expression` or a few `words`; "" where nothing marks one.
    """

    text: str
    mark: Mark

    @property
    def is_certain(self) -> bool:
        """Whether nothing else can have been meant, so that it may also be found wrong."""
        return self.mark in {"box", "expression", "words"}


def final_answer(response: str) -> str:
    """Returns the text of the response's final answer, see `find_answer`, "" where it marks none.

    Args:
        response: What the model wrote, of any length; only the last 20,000 characters are searched.
    """
    return find_answer(response).text


def answer_to_judge(response: str) -> str:
    """Returns what a judge gets to see: the answer in a box or the whole short response, else its end."""
    found = find_answer(response)
    return found.text if found.is_certain else response[-MAX_TAIL_CHARACTERS:]


def find_answer(response: str) -> Found:
    r"""Returns the response's final answer.

    That is the last balanced `\boxed{}`; without a box, the whole response if it is one expression or a few
    words, or what `math_claim.claimed` finds. Boxes joined by a comma or "or" are one answer of several
    parts.

    Args:
        response: What the model wrote, of any length; only the last 20,000 characters are searched.
    """
    text = response[-MAX_RESPONSE_CHARACTERS:]
    boxed = _boxed(text)
    if boxed is not None:
        return Found(boxed, "box")
    mark = _whole(response)
    if mark:
        return Found(text.strip(), mark)
    claim = claimed(text)
    return Found(claim, "claim" if claim else "")


def _whole(response: str) -> Mark:
    """What the response is if it is an answer and nothing else: one expression, or words without a number."""
    text = response.strip()
    if "\n" in text or "####" in text:
        return ""
    words = [word for word in words_of(text) if not _DIFFERENTIAL.fullmatch(word)]
    if not words:
        return "expression"
    few = len(words) <= MAX_BARE_WORDS and not any(map(str.isdigit, text)) and not _ANSWER.search(text)
    return "words" if few else ""


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
