"""HumanEval, as in github.com/openai/human-eval: a prompt that the model completes, and a check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adaqueue.core.importers.fields import metadata, text, text_or_none
from adaqueue.core.importers.tasks import filled


def query_row(record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
    """Returns the row of a record; see `Importer`. The prompt is left as it is, to be completed."""
    prompt, solution = text(record, "prompt"), text_or_none(record, "canonical_solution")
    reference = {"style": "assert", "entry": text(record, "entry_point"), "check": text(record, "test")}
    return {
        "id": text_or_none(record, "task_id") or f"humaneval/{number}",
        "domain": "code",
        "prompt": filled(template or "{question}", question=prompt, entry=reference["entry"]),
        "reference": {**reference, **({"solution": prompt + solution} if solution else {})},
        "metadata": metadata(record, "humaneval"),
    }
