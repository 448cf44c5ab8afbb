"""Proves what an exported query says in each format; one that ended at a success is not evaluated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adaqueue import Query, RecordedSample
from adaqueue.core.exported import DrawnQuery, inspect_samples, lm_eval_records, recorded_row
from adaqueue.core.importers import Asked, InspectLog, LmEvalLog
from adaqueue.core.recorded import RecordedQuery
from adaqueue.errors import BadQueryError

ASKED = Query("math", [{"role": "user", "content": "1 + 1?"}], "2", id="q", metadata={"level": 1})
SAMPLES = (RecordedSample("2", 1.0, 5), RecordedSample(None, 0.0))
DRAWN = DrawnQuery(ASKED, "model", SAMPLES, unverified=1, stopped=False)


def test_a_row_is_read_back_as_it_was_drawn() -> None:
    row = recorded_row(DRAWN)
    assert "stopped" not in row
    assert RecordedQuery.from_row(row, 1).rewards == (1.0, 0.0)
    assert Query.from_row(row).recording is not None
    assert RecordedQuery.from_row({**row, "stopped": False}, 1).rewards == (1.0, 0.0)


def test_a_row_that_ended_at_a_success_is_replayed_and_not_evaluated() -> None:
    row = recorded_row(replace(DRAWN, stopped=True))
    assert Query.from_row(row).recording is not None
    with pytest.raises(BadQueryError, match="draw with policy uniform"):
        RecordedQuery.from_row(row, 1)
    with pytest.raises(BadQueryError, match="give true or false"):
        RecordedQuery.from_row({**row, "stopped": "no"}, 1)


def test_other_formats_keep_what_they_have_a_place_for() -> None:
    first, second = lm_eval_records(DRAWN, 3)
    assert (first["doc_id"], first["target"], first["reward"], first["resps"]) == (3, "2", 1.0, [["2"]])
    assert first["doc_hash"] == second["doc_hash"]
    one, two = inspect_samples(DRAWN)
    assert one["output"]["usage"]["output_tokens"] == 5
    assert "usage" not in two["output"]
    assert (two["epoch"], two["scores"]) == (2, {"reward": {"value": 0.0}})


@pytest.mark.parametrize("stopped", [False, True])
def test_that_samples_ended_at_a_success_survives_the_way_through_other_formats(stopped: bool) -> None:
    drawn = replace(DRAWN, stopped=stopped)
    harness, inspected = LmEvalLog(Asked()), InspectLog(Asked())
    for record in lm_eval_records(drawn, 0):
        harness.add(record, "samples_run.jsonl")
    for sample in inspect_samples(drawn):
        inspected.add(sample, "run.json")
    for log in (harness, inspected):
        (row,) = log.rows()
        assert isinstance(row, dict)
        assert row.get("stopped", False) is stopped
        assert [sample["reward"] for sample in row["samples"]] == [1.0, 0.0]
