"""Logs of samples of lm-evaluation-harness (github.com/EleutherAI/lm-evaluation-harness): samples_*.jsonl."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from adaqueue.core.exported import STOPPED
from adaqueue.core.importers.logs import Asked, chosen, outcome_row
from adaqueue.core.plain import check_finite
from adaqueue.errors import BadQueryError

PASS_AT_1 = re.compile(r"pass(@|_at_)1$")
_FILE = re.compile(r"samples_(.+?)(_\d{4}-\d\d-\d\dT[\d.:-]+)?\.jsonl(\.gz)?$")


@dataclass(frozen=True, slots=True)
class _Record:
    """What one record says of one document.

    Attributes:
        values: reward by metric: a number, or a number for each response.
        responses: of the model, in order.
        kept: whether the filter passed on all of them, so that the metric is about all.
    """

    values: Mapping[str, Any]
    responses: tuple[str, ...]
    kept: bool


@dataclass
class _Document:
    row_id: str
    prompt: object
    target: str
    hash: object
    stopped: bool
    records: dict[str, list[_Record]] = field(default_factory=lambda: defaultdict(list))


class LmEvalLog:
    """Records of one task, of one run or several: see `OutcomeLog`. Runs add to a document's samples.

    Args:
        asked: what was chosen.
    """

    def __init__(self, asked: Asked) -> None:
        self.left_out: Counter[str] = Counter()
        self._asked = asked
        self._documents: dict[tuple[str, int], _Document] = {}

    def add(self, record: Mapping[str, Any], file: str) -> None:
        """Takes a record; its document is known by task and `doc_id`."""
        task, number = task_of(file), record.get("doc_id")
        if not isinstance(number, int):
            raise BadQueryError("doc_id", number, "the format has a whole number there")
        doc = record.get("doc")
        stopped = isinstance(doc, Mapping) and doc.get(STOPPED) is True
        new = _Document(f"{task}/{number}", _prompt(record), _target(record), record.get("doc_hash"), stopped)
        found = self._documents.setdefault((task, number), new)
        if (found.hash, found.prompt) != (new.hash, new.prompt):
            remedy = "another file has another document, or another prompt, of this number: import it alone"
            raise BadQueryError("doc_id", number, remedy)
        metrics = record.get("metrics")
        if not isinstance(metrics, list) or not metrics:
            raise BadQueryError("metrics", metrics, "the format has a list of names there")
        responses = _responses(record)
        values = {str(name): record.get(str(name)) for name in metrics}
        kept = _keeps_all(record.get("filtered_resps"), len(responses))
        found.records[str(record.get("filter", "none"))].append(_Record(values, responses, kept))

    def rows(self) -> Iterator[dict[str, Any] | BadQueryError]:
        """Yields a row for each document; see `OutcomeLog`."""
        documents = list(self._documents.values())
        name = chosen("filter", self._asked.filter, {name for one in documents for name in one.records})
        scored = {metric for one in documents for found in one.records[name] for metric in found.values}
        metric = chosen("metric", self._asked.metric, scored)
        guess = "code" if PASS_AT_1.search(metric) else None
        asked = replace(self._asked, domain=self._asked.domain or guess)
        for one in documents:
            try:
                drawn = _drawn(one.records[name], metric) | ({"stopped": True} if one.stopped else {})
                yield outcome_row(one.row_id, one.prompt, one.target, asked, drawn)
            except BadQueryError as error:
                yield BadQueryError(f"{one.row_id}: {error.field}", error.value, error.remedy)


def task_of(file: str) -> str:
    """Returns the task that a file's name tells, as in samples_TASK_2026-01-31T12-00-00.jsonl."""
    name = PurePath(file).name
    found = _FILE.match(name)
    return found[1] if found else name.split(".")[0]


def _drawn(records: list[_Record], metric: str) -> dict[str, Any]:
    """Returns samples in order, or counts where a record tells no more than their share."""
    if not records:
        raise BadQueryError("filter", None, "the document has no record of it")
    rewards = [_rewards(record, metric) for record in records]
    if any(isinstance(found, int) for found in rewards):
        samples = sum(len(record.responses) for record in records)
        wins = sum(found if isinstance(found, int) else int(sum(found)) for found in rewards)
        return {"n": samples, "successes": wins}
    return {
        "samples": [
            {"text": text, "reward": reward}
            for record, found in zip(records, rewards, strict=True)
            for text, reward in zip(record.responses, found if isinstance(found, list) else [], strict=True)
        ]
    }


def _rewards(record: _Record, metric: str) -> list[float] | int:
    """Returns a reward for each response, or how many of them succeeded."""
    given, count = record.values.get(metric), len(record.responses)
    values = [_number(metric, one) for one in (given if isinstance(given, list) else [given])]
    if len(values) == count:
        return values
    if len(values) == 1 and record.kept and PASS_AT_1.search(metric):
        wins = values[0] * count
        if abs(wins - round(wins)) < 1e-6:
            return round(wins)
    remedy = f"is no reward of each of {count} responses: import a filter and metric that score each"
    raise BadQueryError(metric, given, remedy)


def _number(metric: str, value: Any) -> float:
    found = int(value) if isinstance(value, bool) else value
    check_finite(metric, found)
    return float(found)


def _responses(record: Mapping[str, Any]) -> tuple[str, ...]:
    found = record.get("resps")
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], list) or not found[0]:
        raise BadQueryError("resps", found, "only tasks of output_type generate_until have samples")
    if not all(isinstance(text, str) for text in found[0]):
        raise BadQueryError("resps", found, "only tasks of output_type generate_until have samples")
    return tuple(found[0])


def _keeps_all(filtered: object, count: int) -> bool:
    if not isinstance(filtered, list):
        return False
    return len(filtered[0] if len(filtered) == 1 and isinstance(filtered[0], list) else filtered) == count


def _prompt(record: Mapping[str, Any]) -> object:
    """Returns what the model was asked: `arguments` is an object, in logs before 0.4.5 a list."""
    given = record.get("arguments")
    first = next(iter(given.values()), None) if isinstance(given, Mapping) else given
    if isinstance(first, list) and len(first) == 1:
        first = first[0]
    text = first.get("arg_0") if isinstance(first, Mapping) else first
    while isinstance(text, list) and text and isinstance(text[0], str | list):
        text = text[0]
    if not isinstance(text, str):
        raise BadQueryError("arguments", given, "the format has the prompt there")
    return _messages(text) or text


def _messages(text: str) -> list[dict[str, str]] | None:
    """Chat models that are asked through an API are given messages as JSON."""
    if not text.startswith("[{"):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    good = all(isinstance(item, dict) and {"role", "content"} <= set(item) for item in found)
    return [{"role": item["role"], "content": item["content"]} for item in found] if good else None


def _target(record: Mapping[str, Any]) -> str:
    target = record.get("target")
    return str(target).strip() if isinstance(target, str | int | float) else ""
