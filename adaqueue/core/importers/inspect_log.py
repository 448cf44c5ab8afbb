"""Samples of inspect_ai's logs (github.com/UKGovernmentBEIS/inspect_ai), version 2 of the format."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adaqueue.core.exported import STOPPED
from adaqueue.core.importers.fields import text
from adaqueue.core.importers.logs import Asked, chosen, outcome_row
from adaqueue.errors import BadQueryError

VALUES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""Correct, partial, incorrect, no answer, and words: as inspect's own `value_to_float` has them."""
ATTACHMENT = "attachment://"


@dataclass(frozen=True, slots=True)
class _Epoch:
    place: tuple[int, int]
    text: str
    tokens: int | None
    scores: Mapping[str, Any]


@dataclass
class _Question:
    prompt: object
    target: str
    metadata: Mapping[str, Any]
    model: str
    epochs: list[_Epoch] = field(default_factory=list)


class InspectLog:
    """Samples of one log or several of one task: see `OutcomeLog`. Epochs are samples of one query.

    A sample that ended in an error, or that no scorer scored, says nothing of the model: it is left out.

    Args:
        asked: what was chosen; a metric is a scorer.
    """

    def __init__(self, asked: Asked) -> None:
        self.left_out: Counter[str] = Counter()
        self._asked = asked
        self._files: dict[str, int] = {}
        self._questions: dict[str, _Question] = {}

    def add(self, record: Mapping[str, Any], file: str) -> None:
        """Takes a sample, with `task` and `model` of its log beside its own fields."""
        file_number = self._files.setdefault(file, len(self._files))
        new = _question(record)
        row_id = f"{record.get('task', 'inspect')}/{record.get('id')}"
        found = self._questions.get(row_id, new)
        if found.prompt != new.prompt:
            raise BadQueryError("id", record.get("id"), "another sample of this id has another input")
        epoch = None if record.get("error") else _epoch(record, file_number)
        self._questions[row_id] = found
        if epoch is None:
            self.left_out["ended in an error"] += 1
        else:
            found.epochs.append(epoch)

    def rows(self) -> Iterator[dict[str, Any] | BadQueryError]:
        """Yields a row for each sample id; see `OutcomeLog`."""
        known: dict[str, None] = defaultdict()
        for question in self._questions.values():
            known.update(dict.fromkeys(name for epoch in question.epochs for name in epoch.scores))
        scorer = chosen("metric", self._asked.metric, set(known))
        for row_id, question in self._questions.items():
            try:
                if samples := list(self._samples(question, scorer)):
                    yield _row(row_id, question, samples, self._asked)
                else:
                    yield BadQueryError(row_id, "no samples", "every sample of it was left out")
            except BadQueryError as error:
                yield BadQueryError(f"{row_id}: {error.field}", error.value, error.remedy)

    def _samples(self, question: _Question, scorer: str) -> Iterator[dict[str, Any]]:
        for epoch in sorted(question.epochs, key=lambda epoch: epoch.place):
            reward = _reward(epoch.scores.get(scorer))
            if reward is None:
                self.left_out[f"without a score of {scorer}"] += 1
            else:
                tokens = {} if epoch.tokens is None else {"tokens": epoch.tokens}
                yield {"text": epoch.text, "reward": reward, **tokens}


def _row(row_id: str, question: _Question, samples: list[dict[str, Any]], asked: Asked) -> dict[str, Any]:
    drawn: dict[str, Any] = {"model": question.model, "samples": samples}
    drawn |= {"metadata": dict(question.metadata)} if question.metadata else {}
    drawn |= {"stopped": True} if question.metadata.get(STOPPED) is True else {}
    return outcome_row(row_id, question.prompt, question.target, asked, drawn)


def _question(record: Mapping[str, Any]) -> _Question:
    if record.get("id") is None:
        raise BadQueryError("id", None, "the format has an id there")
    target = record.get("target")
    one = target[0] if isinstance(target, list) and len(target) == 1 else target
    metadata = record.get("metadata")
    return _Question(
        _prompt(record),
        one if isinstance(one, str) else "",
        metadata if isinstance(metadata, Mapping) else {},
        str(record.get("model") or ""),
    )


def _epoch(record: Mapping[str, Any], file_number: int) -> _Epoch:
    epoch = record.get("epoch", 1)
    if isinstance(epoch, bool) or not isinstance(epoch, int):
        raise BadQueryError("epoch", epoch, "the format has a whole number there")
    scores = _object("scores", record.get("scores"))
    known = {name: _object(f"scores.{name}", score) for name, score in scores.items()}
    return _Epoch((file_number, epoch), _text(record), _tokens(record), known)


def _object(name: str, value: object) -> Mapping[str, Any]:
    """Returns what must be an object, or absent or null: then an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadQueryError(name, value, "the format has an object there")
    return value


def _prompt(record: Mapping[str, Any]) -> object:
    given = record.get("input")
    if isinstance(given, str):
        return _attached(given, record)
    if not isinstance(given, list):
        raise BadQueryError("input", given, "the format has text or messages there")
    messages = [_object("input", message) for message in given]
    return [{"role": message.get("role"), "content": _content(message, record)} for message in messages]


def _text(record: Mapping[str, Any]) -> str:
    choices = _object("output", record.get("output")).get("choices") or []
    if not isinstance(choices, list):
        raise BadQueryError("output.choices", choices, "the format has a list there")
    first = _object("output.choices", choices[0] if choices else None)
    return _content(_object("output.choices.message", first.get("message")), record)


def _content(message: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Returns a message's text; what a model thought before it answered is no part of the answer."""
    content = message.get("content", "")
    if isinstance(content, str):
        return _attached(content, record)
    if not isinstance(content, list):
        raise BadQueryError("content", content, "the format has text or a list of parts there")
    parts = [_object("content", part) for part in content]
    kinds = {str(part.get("type")) for part in parts} - {"text", "reasoning"}
    if kinds:
        raise BadQueryError("content", sorted(kinds), "only text can be imported")
    return "".join(_attached(text(part, "text"), record) for part in parts if part["type"] == "text")


def _attached(said: str, record: Mapping[str, Any]) -> str:
    if not said.startswith(ATTACHMENT):
        return said
    found = _object("attachments", record.get("attachments")).get(said.removeprefix(ATTACHMENT))
    if not isinstance(found, str):
        raise BadQueryError("attachments", said, "the log refers to it and does not hold it")
    return found


def _tokens(record: Mapping[str, Any]) -> int | None:
    """Returns the tokens of the answer; where only the whole sample's are known, theirs."""
    usage = _object("output.usage", _object("output", record.get("output")).get("usage"))
    if isinstance(usage.get("output_tokens"), int):
        return int(usage["output_tokens"])
    models = _object("model_usage", record.get("model_usage"))
    every = _object("model_usage", models.get(str(record.get("model"))))
    return int(every["output_tokens"]) if isinstance(every.get("output_tokens"), int) else None


def _reward(score: Mapping[str, Any] | None) -> float | None:
    """Returns what a score is worth; None where there is none."""
    value = None if score is None else score.get("value")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return _of_words(value)
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    raise BadQueryError("score", value, "is no single number, and none of C, P, I, N")


def _of_words(value: str) -> float:
    known = VALUES.get(value, VALUES.get(value.lower()))
    if known is not None:
        return known
    try:
        found = float(value)
    except ValueError:
        raise BadQueryError("score", value, "is no number, and none of C, P, I, N") from None
    if not math.isfinite(found):
        raise BadQueryError("score", value, "is not a finite number")
    return found
