"""Proves that real logs of lm-evaluation-harness and inspect_ai become recorded outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from adaqueue.core.importers import Asked, InspectLog, LmEvalLog, OutcomeLog
from adaqueue.core.importers.lm_eval import task_of
from adaqueue.core.recorded import RecordedQuery
from adaqueue.errors import BadQueryError, SettingsError

DATA = Path(__file__).parents[1] / "data"
"""Logs of lm_eval 0.4.13 and inspect_ai 0.3.285, of models that answer by chance."""
FIRST, SECOND = sorted(DATA.glob("samples_sums_*.jsonl"))


def lm_eval(files: Iterable[Path], asked: Asked = Asked(filter="strict")) -> LmEvalLog:  # noqa: B008 - frozen
    log = LmEvalLog(asked)
    for file in files:
        for line in file.read_text().splitlines():
            log.add(json.loads(line), str(file))
    return log


def inspected(asked: Asked = Asked(metric="includes"), **changes: object) -> InspectLog:  # noqa: B008 - frozen
    log = InspectLog(asked)
    data = json.loads((DATA / "inspect_sums.json").read_text())
    for sample in data["samples"]:
        log.add({"task": "sums", "model": "mockllm/model", **sample, **changes}, "one")
    return log


def good(log: OutcomeLog) -> list[dict[str, Any]]:
    rows = [row for row in log.rows() if isinstance(row, dict)]
    for number, row in enumerate(rows):
        RecordedQuery.from_row(row, number)
    return rows


def test_runs_of_a_task_add_to_each_document_s_samples_in_the_order_of_files() -> None:
    rows = good(lm_eval([FIRST, SECOND]))
    assert [row["id"] for row in rows] == ["sums/0", "sums/1", "sums/2"]
    assert rows[1] == {
        "id": "sums/1",
        "domain": "math",
        "prompt": "Question: 4+4?\nAnswer:",
        "reference": "8",
        "samples": [{"text": " 8", "reward": 1.0}, {"text": " 4", "reward": 0.0}],
    }


def test_a_share_of_passes_among_responses_becomes_counts() -> None:
    rows = good(lm_eval(sorted(DATA.glob("samples_passk_*.jsonl")), Asked()))
    assert [(row["domain"], row["n"], row["successes"]) for row in rows] == [("code", 8, 2)] * 3


def test_one_of_several_filters_has_to_be_chosen() -> None:
    with pytest.raises(SettingsError, match="the log has plain, strict"):
        list(lm_eval([FIRST], Asked()).rows())
    with pytest.raises(SettingsError, match="metric: pass: the log has exact_match"):
        list(lm_eval([FIRST], Asked(filter="plain", metric="pass")).rows())
    assert good(lm_eval([FIRST], Asked(filter="plain", domain="chat", model="m")))[0]["model"] == "m"


def changed(**changes: object) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(FIRST.read_text().splitlines()[0])
    return {**record, **changes}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"resps": [[["-3.2", "False"]], [["-1.0", "True"]]]}, "resps"),
        ({"resps": []}, "resps"),
        ({"doc_id": None}, "doc_id"),
        ({"arguments": {}}, "arguments"),
        ({"metrics": "exact_match"}, "metrics"),
    ],
)
def test_a_record_that_holds_no_samples_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadQueryError) as caught:
        LmEvalLog(Asked()).add(changed(**changes), "samples_sums.jsonl")
    assert caught.value.field == field


def test_a_vote_s_score_is_no_reward_of_each_response() -> None:
    log = LmEvalLog(Asked())
    log.add(changed(resps=[[" 4", " 5", " 4"]], filtered_resps=["4"]), "samples_sums.jsonl")
    (found,) = log.rows()
    assert isinstance(found, BadQueryError)
    assert "is no reward of each of 3 responses" in str(found)


def test_a_list_of_scores_is_a_reward_for_each_response() -> None:
    log = LmEvalLog(Asked())
    log.add(changed(resps=[[" 4", " 5"]], exact_match=[1, False]), "samples_sums.jsonl")
    assert [sample["reward"] for sample in good(log)[0]["samples"]] == [1.0, 0.0]


def test_another_document_under_the_same_number_is_refused() -> None:
    log = lm_eval([FIRST])
    with pytest.raises(BadQueryError, match="another document"):
        log.add(changed(doc_hash="other"), str(FIRST))
    log.add(changed(doc_hash="other"), "samples_other_task.jsonl")


def test_older_logs_and_messages_as_json_are_read() -> None:
    older = changed(arguments=[["Question: 2+2?", {"until": []}]])
    asked = [{"role": "user", "content": "2+2?", "type": "text"}]
    newer = changed(arguments={"gen_args_0": {"arg_0": json.dumps(asked), "arg_1": {}}})
    for record, prompt in ((older, "Question: 2+2?"), (newer, [{"role": "user", "content": "2+2?"}])):
        log = LmEvalLog(Asked())
        log.add(record, "samples_sums.jsonl")
        assert good(log)[0]["prompt"] == prompt


def test_a_file_s_name_tells_its_task() -> None:
    assert task_of("a/samples_gsm8k_cot_2026-01-31T12-00-00.123456.jsonl") == "gsm8k_cot"
    assert task_of("samples_gsm8k.jsonl.gz") == "gsm8k"
    assert task_of("mine.jsonl") == "mine"


def test_epochs_are_samples_with_scores_and_tokens() -> None:
    log = inspected()
    rows = {row["id"]: row for row in good(log)}
    assert rows["sums/two"] == {
        "id": "sums/two",
        "domain": "math",
        "prompt": "What is 2+2?",
        "reference": "4",
        "model": "mockllm/model",
        "samples": [
            {"text": "4", "reward": 1.0, "tokens": 3},
            {"text": "8", "reward": 0.0, "tokens": 6},
            {"text": "6", "reward": 0.0, "tokens": 9},
        ],
        "metadata": {"level": 1},
    }
    assert "reference" not in rows["sums/2"], "it has two"
    assert not log.left_out


@pytest.mark.parametrize(
    ("value", "reward"),
    [("C", 1.0), ("P", 0.5), ("I", 0.0), ("N", 0.0), ("yes", 1.0), ("2.5", 2.5), (True, 1.0), (7, 7.0)],
)
def test_a_score_in_words_or_numbers_is_a_reward(value: object, reward: float) -> None:
    rows = good(inspected(Asked(), scores={"judge": {"value": value}}))
    assert {sample["reward"] for row in rows for sample in row["samples"]} == {reward}


def test_what_has_no_score_says_nothing_and_is_never_a_failure() -> None:
    log = inspected()
    sample: dict[str, Any] = json.loads((DATA / "inspect_sums.json").read_text())["samples"][2]
    unscored: list[object] = [None, float("nan")]
    for epoch, value in enumerate(unscored, start=4):
        log.add({**sample, "task": "sums", "epoch": epoch, "scores": {"includes": {"value": value}}}, "one")
    log.add({**sample, "task": "sums", "epoch": 6, "error": {"message": "it broke"}}, "one")
    assert {len(row["samples"]) for row in good(log)} == {3}
    assert log.left_out == {"without a score of includes": 2, "ended in an error": 1}


def test_a_score_of_several_values_is_refused() -> None:
    found = list(inspected(Asked(), scores={"judge": {"value": {"a": 1}}}).rows())
    assert all(isinstance(row, BadQueryError) for row in found)


def test_long_texts_are_found_among_the_attachments_and_thoughts_are_no_answer() -> None:
    content = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "attachment://b"}]
    log = inspected(
        input=[{"role": "user", "content": "attachment://a"}],
        output={"choices": [{"message": {"content": content}}]},
        attachments={"a": "long question", "b": "long answer"},
        model_usage={"mockllm/model": {"output_tokens": 9}},
    )
    row = good(log)[0]
    assert row["prompt"] == [{"role": "user", "content": "long question"}]
    assert row["samples"][0] == {"text": "long answer", "reward": 0.0, "tokens": 9}


def test_one_of_several_scorers_has_to_be_chosen_and_pictures_are_refused() -> None:
    with pytest.raises(SettingsError, match="metric: not given: the log has includes, match: choose one"):
        list(inspected(Asked()).rows())
    with pytest.raises(BadQueryError, match="only text"):
        inspected(input=[{"role": "user", "content": [{"type": "image", "image": "x"}]}])
    with pytest.raises(BadQueryError, match="another input"):
        inspected(id=1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"epoch": "x"}, "epoch"),
        ({"epoch": None}, "epoch"),
        ({"scores": ["C"]}, "scores"),
        ({"scores": {"includes": 1.0}}, "scores.includes"),
        ({"output": "4"}, "output"),
        ({"output": {"choices": {"0": 4}}}, "output.choices"),
        ({"output": {"choices": ["4"]}}, "output.choices"),
        ({"output": {"choices": [{"message": "4"}]}}, "output.choices.message"),
        ({"output": {"usage": 9}}, "output.usage"),
        ({"input": ["hi"]}, "input"),
        ({"input": [{"role": "user", "content": ["hi"]}]}, "content"),
        ({"input": [{"role": "user", "content": [{"type": "text"}]}]}, "text"),
        ({"input": [{"role": "user", "content": [{"type": ["text"]}]}]}, "content"),
        ({"input": "attachment://a", "attachments": ["a"]}, "attachments"),
        ({"output": {}, "model_usage": 9}, "model_usage"),
    ],
)
def test_a_malformed_sample_is_refused_by_field_and_leaves_nothing_behind(
    changes: dict[str, Any], field: str
) -> None:
    one, other = json.loads((DATA / "inspect_sums.json").read_text())["samples"][:2]
    log = InspectLog(Asked(metric="includes"))
    with pytest.raises(BadQueryError) as caught:
        log.add({"task": "sums", "model": "m", **one, **changes}, "one")
    assert caught.value.field == field
    log.add({"task": "sums", "model": "m", **other}, "one")
    assert [row["id"] for row in good(log)] == [f"sums/{other['id']}"]
    assert not [row for row in log.rows() if isinstance(row, BadQueryError)]
