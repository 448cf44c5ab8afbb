"""Math problems with an answer: NuminaMath-CoT, MATH and GSM8K, as on huggingface.co."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adaqueue.core.importers.fields import digest_id, metadata, text
from adaqueue.core.importers.tasks import MATH, filled
from adaqueue.errors import BadQueryError

MULTIPLE_CHOICE = "multiple choice"
NO_BOX = "no boxed answer"

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BARE = re.compile(r"[^\s$]+")
_LATEX_WORD = re.compile(r"\\[a-zA-Z]+|\\.|[{}$~]")
_OPTION = re.compile(r"(?<![A-Za-z0-9(])\(?\s*([A-E])\s*[).:]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def numina_row(record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
    """Returns the row of a NuminaMath-CoT record; see `Importer`. The last boxed answer is the reference."""
    known = metadata(record, "numina-cot")
    known |= {"origin": record["source"]} if record.get("source") else {}
    return _row("numina-cot", text(record, "problem"), _boxed(record), known, template)


def math_row(record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
    """Returns the row of a MATH record; see `Importer`. The last boxed answer is the reference."""
    known = metadata(record, "math", "level", "type", "subject")
    return _row("math", text(record, "problem"), _boxed(record), known, template)


def gsm8k_row(record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
    """Returns the row of a GSM8K record; see `Importer`. What follows `####` is the reference."""
    _, mark, answer = text(record, "answer").rpartition("####")
    if not mark:
        raise BadQueryError("answer", record["answer"], "the format has the answer after ####")
    question = text(record, "question")
    reference = _THOUSANDS.sub("", answer.strip())
    return _row("gsm8k", question, reference, metadata(record, "gsm8k"), template)


def numina_left_out(record: Mapping[str, Any]) -> str:
    """Returns why NuminaMath's filter leaves a record out; empty if it does not.

    The set does not say which problems are multiple choice: it is one whose text lists options A, B and C, or
    whose answer is one letter from A to E.
    """
    if is_multiple_choice(text(record, "problem"), boxed := last_boxed(text(record, "solution"))):
        return MULTIPLE_CHOICE
    return "" if boxed else NO_BOX


def boxed_left_out(record: Mapping[str, Any]) -> str:
    """Returns why MATH's filter leaves a record out; empty if it does not."""
    return "" if last_boxed(text(record, "solution")) else NO_BOX


def is_multiple_choice(problem: str, answer: str) -> bool:
    """Whether a problem offers options, or its answer names one."""
    if _LATEX_WORD.sub("", answer).strip(" ().:") in {*"ABCDE"}:
        return True
    letters = iter(_OPTION.findall(_LATEX_WORD.sub(" ", problem)))
    return all(letter in letters for letter in "ABC")


def last_boxed(solution: str) -> str:
    r"""Returns what the last `\boxed` of a solution holds; empty where there is none, or it is not closed."""
    boxes = list(_BOX.finditer(solution))
    if not boxes:
        return ""
    rest = solution[boxes[-1].end() :]
    if not rest.startswith("{"):
        bare = _BARE.match(rest)
        return bare[0].rstrip(".,") if bare else ""
    depth = 0
    for brace in _BRACE.finditer(rest):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return rest[1 : brace.start()].strip()
    return ""


def _boxed(record: Mapping[str, Any]) -> str:
    solution = text(record, "solution")
    if not (answer := last_boxed(solution)):
        raise BadQueryError("solution", solution[-80:], "has no boxed answer")
    return answer


def _row(
    name: str, question: str, reference: str, known: Mapping[str, Any], template: str | None
) -> dict[str, Any]:
    return {
        "id": digest_id(name, question, reference),
        "domain": "math",
        "prompt": filled(template or MATH, question=question.strip()),
        "reference": reference,
        "metadata": dict(known),
    }
