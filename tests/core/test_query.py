"""Proves that a query is sound once it is through the door; a refusal names field, value and remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.query import (
    DEFAULT_TENANT,
    MAX_BUDGET,
    MAX_DEADLINE_SECONDS,
    MAX_PROMPT_CHARACTERS,
    Query,
)
from adaqueue.core.recording import RecordedSample, Recording
from adaqueue.errors import BadQueryError, NotYetError

MODEST = settings(max_examples=80, deadline=None)
ROW: dict[str, Any] = {"domain": "math", "prompt": "What is 37 * 12?", "reference": "444"}

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
SAID = TEXT.filter(lambda text: bool(text.strip()))
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": SAID}),
    min_size=1,
    max_size=3,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(st.characters(codec="ascii", exclude_characters="\x00"), min_size=1, max_size=200)
SAMPLES = st.builds(
    RecordedSample,
    TEXT,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(0, 2**31 - 1),
)
RECORDINGS = st.builds(Recording, st.lists(SAMPLES, min_size=1, max_size=4).map(tuple), st.none() | TEXT)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    minimum, maximum = sorted([draw(st.integers(0, MAX_BUDGET)), draw(st.integers(0, MAX_BUDGET))])
    return Query(
        domain="math",
        prompt=draw(SAID | MESSAGES),
        reference=draw(SAID),
        id=draw(st.none() | NAMES),
        min_budget=minimum,
        max_budget=draw(st.sampled_from([None, maximum])),
        metadata=draw(st.dictionaries(TEXT, JSON, max_size=3)),
        tenant=draw(st.none() | NAMES),
        deadline_seconds=draw(
            st.none() | st.floats(0, MAX_DEADLINE_SECONDS, exclude_min=True) | st.integers(1, 366 * 86_400)
        ),
        recording=draw(st.none() | RECORDINGS),
    )


@MODEST
@given(queries())
def test_a_query_survives_the_wire(query: Query) -> None:
    wire = json.dumps(query.to_json(), ensure_ascii=False, allow_nan=False).encode()
    again = Query.from_json(json.loads(wire))
    assert again == query
    assert again.content_hash() == query.content_hash()


@pytest.mark.parametrize(
    ("change", "field", "value", "remedy"),
    [
        ({"reference": None, "ref": "444"}, "ref", "'444'", "unknown field; known are id, domain, prompt"),
        ({"domain": None}, "domain", "None", "the field is required"),
        ({"prompt": None}, "prompt", "None", "the field is required"),
        ({"domain": "poetry"}, "domain", "'poetry'", "unknown domain; known are math, code, chat"),
        ({"domain": ["math"]}, "domain", "['math']", "unknown domain"),
        ({"id": ""}, "id", "''", "give 1 to 200 bytes of text"),
        ({"id": "é" * 101}, "id", "'éé", "give 1 to 200 bytes of text"),
        ({"id": 7}, "id", "7", "give text, in quotes"),
        ({"id": "a\x00b"}, "id", r"'a\x00b'", "contains a NUL character"),
        ({"id": "\ud800"}, "id", r"'\ud800'", "is no valid Unicode"),
        ({"prompt": ""}, "prompt", "''", "is empty: give the question"),
        ({"prompt": " \n\t"}, "prompt", r"' \n\t'", "is empty: give the question"),
        ({"prompt": 37}, "prompt", "37", "give text, or a list of {role, content} messages"),
        ({"prompt": []}, "prompt", "[]", "give text, or a list of {role, content} messages"),
        ({"prompt": "a\x00"}, "prompt", r"'a\x00'", "contains a NUL character"),
        ({"prompt": "\udfff"}, "prompt", r"'\udfff'", "is no valid Unicode"),
        ({"prompt": "x" * 200_001}, "prompt", "'xxx", "has 200,001 characters; give at most 200,000"),
        ({"prompt": ["hello"]}, "prompt[0]", "'hello'", "give exactly the keys role and content"),
        ({"prompt": [{"content": "hello"}]}, "prompt[0]", "{'content': 'hello'}", "give exactly the keys"),
        (
            {"prompt": [{"role": "user", "content": "x", "name": "y"}]},
            "prompt[0]",
            "{'role': 'user', 'content': 'x', 'name': 'y'}",
            "give exactly the keys role and content",
        ),
        (
            {"prompt": [{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}]},
            "prompt[1].role",
            "'tool'",
            "give system, user or assistant",
        ),
        ({"prompt": [{"role": "user", "content": " "}]}, "prompt[0].content", "' '", "is empty"),
        ({"prompt": [{"role": "user", "content": None}]}, "prompt[0].content", "None", "give text"),
        ({"prompt": [{"role": "user", "content": "\x00"}]}, "prompt[0].content", r"'\x00'", "NUL"),
        ({"reference": 444}, "reference", "444", "give text, in quotes"),
        ({"domain": "chat"}, "reference", "'444'", "a chat query has none: leave it out"),
        ({"reference": ""}, "reference", "''", "is empty: give the answer, as text"),
        ({"reference": "4\x004"}, "reference", r"'4\x004'", "contains a NUL character"),
        ({"reference": "\ud800"}, "reference", r"'\ud800'", "is no valid Unicode"),
        ({"min_budget": -1}, "min_budget", "-1", "give a whole number from 0 to 1,024"),
        ({"min_budget": 1_025}, "min_budget", "1025", "give a whole number from 0 to 1,024"),
        ({"min_budget": True}, "min_budget", "True", "give a whole number"),
        ({"min_budget": 1.0}, "min_budget", "1.0", "give a whole number"),
        ({"min_budget": "1"}, "min_budget", "'1'", "give a whole number"),
        ({"min_budget": 10**5_000}, "min_budget", "'a number of 16,610 bits'", "give a whole number"),
        ({"max_budget": False}, "max_budget", "False", "give a whole number"),
        ({"max_budget": 1_025}, "max_budget", "1025", "give a whole number"),
        ({"min_budget": 3, "max_budget": 2}, "min_budget", "3", "is above max_budget, 2"),
        ({"tenant": ""}, "tenant", "''", "give 1 to 200 bytes of text"),
        ({"tenant": "é" * 101}, "tenant", "'éé", "give 1 to 200 bytes of text"),
        ({"tenant": 7}, "tenant", "7", "give text, in quotes"),
        ({"tenant": "a\x00b"}, "tenant", r"'a\x00b'", "contains a NUL character"),
        ({"tenant": "\ud800"}, "tenant", r"'\ud800'", "is no valid Unicode"),
        ({"deadline_seconds": 0}, "deadline_seconds", "0", "give more than 0 and at most a year"),
        ({"deadline_seconds": -0.5}, "deadline_seconds", "-0.5", "give more than 0 and at most a year"),
        ({"deadline_seconds": 366 * 86_400 + 1}, "deadline_seconds", "31622401", "at most a year"),
        ({"deadline_seconds": float("nan")}, "deadline_seconds", "nan", "give a finite number"),
        ({"deadline_seconds": float("inf")}, "deadline_seconds", "inf", "give a finite number"),
        ({"deadline_seconds": True}, "deadline_seconds", "True", "give a finite number"),
        ({"deadline_seconds": "10"}, "deadline_seconds", "'10'", "give a finite number"),
        ({"deadline_seconds": 10**5_000}, "deadline_seconds", "'a number of 16,610 bits'", "finite number"),
        ({"metadata": [1]}, "metadata", "[1]", "give a JSON object"),
        ({"metadata": {"a": [{"b": float("nan")}]}}, "metadata.a[0].b", "nan", "is not a finite number"),
        ({"metadata": {"a": float("-inf")}}, "metadata.a", "-inf", "is not a finite number"),
        ({"metadata": {"a": "\x00"}}, "metadata.a", r"'\x00'", "contains a NUL character"),
        ({"metadata": {"a": {"\ud800": 1}}}, "metadata.a key", r"'\ud800'", "is no valid Unicode"),
        ({"metadata": {1: 2}}, "metadata key", "1", "give text, in quotes"),
        ({"metadata": {"a": {3}}}, "metadata.a", "{3}", "is no JSON value"),
        ({"metadata": {"a": 10**5_000}}, "metadata.a", "'a number of 16,610 bits'", "give it as text"),
    ],
)
def test_a_bad_row_is_refused_by_field_value_and_remedy(
    change: dict[str, Any], field: str, value: str, remedy: str
) -> None:
    with pytest.raises(BadQueryError) as caught:
        Query.from_row({**ROW, **change})
    assert caught.value.field == field
    assert caught.value.value.startswith(value)
    assert remedy in caught.value.remedy
    assert str(caught.value) == f"{caught.value.field}: {caught.value.value}: {caught.value.remedy}"


@pytest.mark.parametrize("row", [None, 5, "text", [ROW], True])
def test_a_row_that_is_no_object_is_refused(row: object) -> None:
    with pytest.raises(BadQueryError, match=r"row: .*: give a JSON object such as"):
        Query.from_row(row)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"domain": "code", "reference": None}, "reference"),
        ({"domain": "code", "reference": None, "samples": [{"text": "a"}]}, "reference"),
        ({"priority": 3}, "priority"),
    ],
)
def test_what_is_not_built_yet_says_so(change: dict[str, Any], field: str) -> None:
    with pytest.raises(NotYetError, match="not yet") as caught:
        Query.from_row({**ROW, **change})
    assert caught.value.field == field


def test_a_field_that_is_null_counts_as_absent() -> None:
    empty = dict.fromkeys(["id", "min_budget", "max_budget", "metadata", "n", "rewards", "samples"])
    empty |= dict.fromkeys(["tenant", "deadline_seconds", "priority"])
    assert Query.from_row({**ROW, **empty}) == Query.from_row(ROW) == Query(**ROW)


@pytest.mark.parametrize("name", ["x", "x" * 200, "é" * 100, "é" * 99 + "xy"])
def test_an_id_and_a_tenant_may_have_up_to_200_bytes(name: str) -> None:
    query = Query.from_row({**ROW, "id": name, "tenant": name})
    assert (query.id, query.tenant, query.account) == (name, name, name)


def test_without_a_tenant_the_default_account_pays() -> None:
    assert Query(**ROW).tenant is None
    assert Query(**ROW).account == DEFAULT_TENANT


@pytest.mark.parametrize("seconds", [1e-9, 1, 0.5, 366 * 86_400, MAX_DEADLINE_SECONDS])
def test_a_deadline_is_above_0_and_at_most_a_year_of_seconds(seconds: float) -> None:
    assert Query.from_row({**ROW, "deadline_seconds": seconds}).deadline_seconds == seconds


def test_messages_together_may_be_as_long_as_one_prompt() -> None:
    half = {"role": "user", "content": "x" * (MAX_PROMPT_CHARACTERS // 2)}
    assert len(Query(**{**ROW, "prompt": [half, half]}).messages) == 2
    with pytest.raises(BadQueryError, match=r"prompt: .*has 200,001 characters; give at most 200,000"):
        Query(**{**ROW, "prompt": [half, half, {"role": "user", "content": "x"}]})


def test_plain_text_is_one_user_message_and_messages_stay_as_they_are() -> None:
    messages = ({"role": "system", "content": "be brief"}, {"role": "user", "content": "x"})
    assert Query(**ROW).messages == ({"role": "user", "content": "What is 37 * 12?"},)
    assert Query(**{**ROW, "prompt": list(messages)}).messages == messages


def test_what_the_producer_changes_afterwards_does_not_change_the_query() -> None:
    messages = [{"role": "user", "content": "x"}]
    metadata: dict[str, Any] = {"tags": ["a"]}
    query = Query(domain="math", prompt=messages, reference="1", metadata=metadata)
    before = query.content_hash()
    messages[0]["content"] = "y"
    metadata["tags"].append("b")
    assert query.content_hash() == before
    assert query.metadata == {"tags": ["a"]}


def test_any_mapping_may_be_metadata_and_reaches_the_wire_as_plain_json() -> None:
    given: Mapping[str, Any] = MappingProxyType({"a": MappingProxyType({"b": (1, 2)})})
    query = Query(**ROW, metadata=given)
    assert json.loads(json.dumps(query.to_json()))["metadata"] == {"a": {"b": [1, 2]}}


@pytest.mark.parametrize("levels", [21, 900])
def test_metadata_nested_too_deep_is_refused(levels: int) -> None:
    nested: Any = 1
    for _ in range(levels):
        nested = [nested]
    with pytest.raises(BadQueryError, match="is nested deeper than 20 levels"):
        Query(**ROW, metadata={"a": nested})


def test_metadata_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(BadQueryError, match="is nested deeper than 20 levels"):
        Query(**ROW, metadata={"a": endless})


def test_metadata_may_hold_all_that_json_can() -> None:
    metadata = {"null": None, "yes": True, "big": 2**100, "real": -0.5, "list": [{}, "é\n\u2028"]}
    assert Query(**ROW, metadata=metadata).metadata == metadata


def test_code_may_lack_its_tests_only_where_every_sample_has_its_reward() -> None:
    rewarded = Recording((RecordedSample("a", 1.0), RecordedSample("b", 0.0)))
    assert Query("code", "x", recording=rewarded).reference is None
    with pytest.raises(NotYetError, match="reference: None: not yet: a code query needs its tests"):
        Query("code", "x", recording=Recording((RecordedSample("a", 1.0), RecordedSample("b", None))))


@pytest.mark.parametrize("domain", ["math", "chat"])
@pytest.mark.parametrize("recorded", [{}, {"rewards": [0.25, -3.5]}, {"samples": [{"text": "a"}]}])
def test_math_and_chat_need_no_reference(domain: str, recorded: dict[str, Any]) -> None:
    query = Query.from_row({"domain": domain, "prompt": "Tell a story.", **recorded})
    assert query.reference is None
    assert Query.from_json(json.loads(json.dumps(query.to_json()))) == query


@pytest.mark.parametrize("domain", ["math", "chat"])
def test_without_a_reference_some_recorded_samples_with_a_reward_and_some_without_are_refused(
    domain: str,
) -> None:
    partly = Recording((RecordedSample("a", 1.0), RecordedSample("b", None)))
    with pytest.raises(BadQueryError, match=r"recording: None: .* give each its reward, or none"):
        Query(domain, "x", recording=partly)


def test_with_a_reference_recorded_rewards_may_be_missing() -> None:
    partly = Recording((RecordedSample("a", 1.0), RecordedSample("b", None)))
    assert Query("math", "x", "1", recording=partly).recording == partly


def test_a_recording_that_is_none_is_refused() -> None:
    with pytest.raises(BadQueryError, match=r"recording: \{'n': 3\}: give a Recording"):
        Query(**ROW, recording={"n": 3})  # type: ignore[arg-type]  # what a caller without types may give


BASE = Query(**ROW, id="a", min_budget=1, max_budget=9)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "What is 37 * 13?"},
        {"prompt": [{"role": "user", "content": "What is 37 * 12?"}]},
        {"reference": "445"},
        {"min_budget": 2},
        {"max_budget": 8},
        {"max_budget": None},
        {"tenant": "other"},
    ],
)
def test_prompt_reference_limits_and_tenant_make_another_content(change: dict[str, Any]) -> None:
    assert replace(BASE, **change).content_hash() != BASE.content_hash()


@pytest.mark.parametrize(
    "change",
    [
        {"id": "b"},
        {"metadata": {"a": 1}},
        {"recording": Recording((RecordedSample("x", 1.0),))},
        {"prompt": "What is 37 * 12?"},
        {"tenant": DEFAULT_TENANT},
        {"deadline_seconds": 5.0},
    ],
)
def test_nothing_else_makes_another_content(change: dict[str, Any]) -> None:
    assert replace(BASE, **change).content_hash() == BASE.content_hash()


def test_the_content_hash_is_the_same_on_every_machine() -> None:
    first = Query("math", [{"role": "user", "content": "é"}], "1", max_budget=3)
    other = Query("math", [{"content": "é", "role": "user"}], "1", max_budget=3)
    expected = "8ebe77ed18716472a89f056ef26ac5e1e237ba83f2becd34cfba0b068d4de401"
    assert first.content_hash() == other.content_hash() == expected


def test_the_domain_makes_another_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adaqueue.core.query.DOMAINS", ("math", "verse"))
    assert replace(BASE, domain="verse").content_hash() != BASE.content_hash()


CONTENTS = st.builds(
    Query,
    domain=st.just("math"),
    prompt=st.sampled_from(["1", "1,2", '1"', [{"role": "user", "content": "1"}]]),
    reference=st.sampled_from(["1", "2,1", '"']),
    min_budget=st.integers(0, 1),
    max_budget=st.none() | st.integers(1, 2),
    tenant=st.sampled_from([None, DEFAULT_TENANT, "1", '"1"']),
)


@settings(MODEST, max_examples=200)
@given(CONTENTS, CONTENTS)
def test_two_contents_are_equal_exactly_if_their_fields_are(one: Query, two: Query) -> None:
    fields = ("domain", "prompt", "reference", "min_budget", "max_budget", "account")
    same = all(getattr(one, name) == getattr(two, name) for name in fields)
    assert (one.content_hash() == two.content_hash()) == same


def test_a_field_whose_effect_is_not_built_is_refused_from_python_too() -> None:
    later: dict[str, Any] = {"priority": 1}
    with pytest.raises(NotYetError, match=r"priority: .*not yet"):
        Query(domain="math", prompt="1 + 1?", reference="2", **later)


@pytest.mark.parametrize(("name", "value"), [("tenant", ""), ("deadline_seconds", 0.0)])
def test_a_bad_tenant_or_deadline_is_refused_from_python_too(name: str, value: object) -> None:
    given: dict[str, Any] = {name: value}
    with pytest.raises(BadQueryError, match=f"{name}: "):
        Query(domain="math", prompt="1 + 1?", reference="2", **given)
