"""Queries with what was drawn for them, in the formats that others read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adaqueue.core.query import Query
from adaqueue.core.recording import RecordedSample

METRIC = "reward"
"""Name of the rewards in formats of others."""
STOPPED = "adaqueue_stopped"
"""Says in formats of others that the number of samples depended on their rewards; `import` refuses it."""


@dataclass(frozen=True, slots=True)
class DrawnQuery:
    """A query of the ledger that has ended.

    Attributes:
        query: as its producer gave it.
        model: who drew; `replay` where recorded samples were.
        samples: those with a reward, in the order of drawing.
        unverified: how many others there are: nobody could verify them, or they only voted.
        stopped: whether the number of samples depended on their rewards.
    """

    query: Query
    model: str
    samples: tuple[RecordedSample, ...]
    unverified: int
    stopped: bool


def recorded_row(drawn: DrawnQuery) -> dict[str, Any]:
    """Returns a row of recorded outcomes; `stopped` stands in it where it is true."""
    query = drawn.query
    row: dict[str, Any] = {"id": query.id, "domain": query.domain, "prompt": query.prompt}
    row |= {} if query.reference is None else {"reference": query.reference}
    row |= {"model": drawn.model, "samples": [_sample(sample) for sample in drawn.samples]}
    row |= {"metadata": dict(query.metadata)} if query.metadata else {}
    return {**row, "stopped": True} if drawn.stopped else row


def lm_eval_records(drawn: DrawnQuery, number: int) -> Iterator[dict[str, Any]]:
    """Yields a record of lm-evaluation-harness for each sample, as repeated runs of the task would log it.

    Args:
        drawn: the query; a text that was not kept is empty.
        number: of the document, from 0.
    """
    query = drawn.query
    prompt = query.prompt if isinstance(query.prompt, str) else json.dumps(list(query.prompt))
    target = query.reference if isinstance(query.reference, str) else ""
    doc = {"id": query.id, "domain": query.domain, STOPPED: drawn.stopped, "metadata": dict(query.metadata)}
    hashes = {"doc_hash": _sha256(json.dumps(doc)), "prompt_hash": _sha256(prompt)}
    for sample in drawn.samples:
        yield {
            "doc_id": number,
            "doc": doc,
            "target": target,
            "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {}}},
            "resps": [[sample.text or ""]],
            "filtered_resps": [sample.text or ""],
            "filter": "none",
            "metrics": [METRIC],
            **hashes,
            "target_hash": _sha256(target),
            METRIC: sample.reward,
        }


def inspect_header(task: str, model: str, created: str) -> dict[str, Any]:
    """Returns what a log of inspect_ai says before its samples.

    Args:
        task: name of the run.
        model: who drew.
        created: when, ISO 8601.
    """
    about = {
        "eval_id": _sha256(f"{task} {created}")[:22],
        "run_id": _sha256(f"{created} {task}")[:22],
        "created": created,
        "task": task,
        "task_id": task,
        "dataset": {"name": task},
        "model": model,
        "config": {},
    }
    return {"version": 2, "status": "success", "eval": about}


def inspect_samples(drawn: DrawnQuery) -> Iterator[dict[str, Any]]:
    """Yields a sample of inspect_ai's log for each sample, as an epoch."""
    query, model = drawn.query, drawn.model
    asked = [dict(message) for message in query.messages]
    for epoch, sample in enumerate(drawn.samples, start=1):
        said = {"role": "assistant", "content": sample.text or "", "source": "generate", "model": model}
        usage = {"output_tokens": sample.tokens, "total_tokens": sample.tokens}
        used = {} if sample.tokens is None else {"usage": {"input_tokens": 0, **usage}}
        choice = {"message": said, "stop_reason": "unknown"}
        yield {
            "id": query.id,
            "epoch": epoch,
            "input": query.prompt if isinstance(query.prompt, str) else asked,
            "target": query.reference if isinstance(query.reference, str) else "",
            "messages": [*asked, said],
            "output": {"model": model, "choices": [choice], "completion": sample.text or "", **used},
            "scores": {METRIC: {"value": sample.reward}},
            "metadata": {**query.metadata, **({STOPPED: True} if drawn.stopped else {})},
        }


def _sample(sample: RecordedSample) -> Mapping[str, Any]:
    tokens = {} if sample.tokens is None else {"tokens": sample.tokens}
    return {"text": sample.text, "reward": sample.reward, **tokens}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
