"""Proves that what passes between steps keeps its meaning: seeds, units left, fingerprints, and the wire."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.arrivals import Arrival
from adaqueue.core.decisions import Prediction
from adaqueue.core.query import Query
from adaqueue.core.recording import RecordedSample, Recording
from adaqueue.core.records import Answer, Claim, Sample, sample_seed
from adaqueue.core.specs import FeatureSpec, Sampling, differences, digest
from adaqueue.errors import BadQueryError

MODEST = settings(max_examples=60, deadline=None)
QUERY = Query("math", "What is 37 * 12?", "444", id="q")
KEY, RUN = UUID(int=1), UUID(int=2)
SPEC = FeatureSpec("m", "r", -1, "last", True, "t", 192)


def claim(budget: int, first_sample: int, drawn: set[int], query: Query = QUERY) -> Claim:
    samples = tuple(Sample(KEY, number, None, "", None, None, "stop", 0.0) for number in sorted(drawn))
    most = first_sample + budget
    return Claim(
        UUID(int=3),
        1,
        KEY,
        query,
        budget,
        first_sample,
        samples,
        (),
        stops=False,
        min_budget=0,
        max_budget=most,
        prior=(1.0, 1.0),
    )


@MODEST
@given(st.uuids(), st.integers(0, 2**31))
def test_a_seed_never_repeats_within_a_query_and_fits_a_signed_64_bit_number(
    query_id: UUID, first: int
) -> None:
    seeds = [sample_seed(query_id, number) for number in range(first, first + 1_024)]
    assert len(set(seeds)) == 1_024
    assert min(seeds) >= 0
    assert max(seeds) < 2**63


def test_another_query_has_other_seeds_and_a_seed_is_the_same_on_every_machine() -> None:
    assert sample_seed(KEY, 0) != sample_seed(RUN, 0)
    assert sample_seed(KEY, 7) == 3_425_604_114_015_301_607


@MODEST
@given(st.integers(0, 12), st.integers(0, 5), st.sets(st.integers(0, 20)))
def test_what_is_left_to_draw_is_the_budget_without_what_was_drawn(
    budget: int, first: int, drawn: set[int]
) -> None:
    units = claim(budget, first, drawn).units()
    assert [unit.number for unit in units] == [n for n in range(first, first + budget) if n not in drawn]
    assert all(unit.seed == sample_seed(KEY, unit.number) for unit in units)
    assert all(unit.query_id == KEY for unit in units)
    assert list(claim(budget, first, drawn).numbers) == list(range(first, first + budget))


def test_a_unit_carries_prompt_and_recording() -> None:
    recorded = replace(QUERY, recording=Recording((RecordedSample("444", 1.0),)))
    (unit,) = claim(1, 0, set(), recorded).units()
    assert unit.messages == QUERY.messages
    assert unit.recording == recorded.recording


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"revision": "other"},
        {"layer": -2},
        {"pooling": "mean"},
        {"final_norm": False},
        {"template": "other"},
        {"size": 193},
        {"dtype": "bfloat16"},
        {"most_tokens": 4_096},
        {"cut": "right"},
        {"adapter": "other"},
    ],
)
def test_every_part_of_a_feature_changes_its_fingerprint(change: dict[str, Any]) -> None:
    assert replace(SPEC, **change).fingerprint() != SPEC.fingerprint()


@pytest.mark.parametrize("change", [{"model": "n"}, {"temperature": 0.8}, {"max_tokens": 9}])
def test_every_part_of_a_sampling_changes_its_fingerprint(change: dict[str, Any]) -> None:
    sampling = Sampling("m", 0.7, 8)
    assert replace(sampling, **change).fingerprint() != sampling.fingerprint()
    assert replace(sampling).fingerprint() == sampling.fingerprint()


def test_what_differs_is_told_by_field_with_both_values() -> None:
    ours, theirs = asdict(Sampling("m", 0.7, 8)), asdict(Sampling("m", 1.0, 32))
    assert differences(ours, theirs) == "temperature: 0.7 against 1.0; max_tokens: 8 against 32"
    assert differences(asdict(SPEC), asdict(replace(SPEC, pooling="mean"))) == "pooling: last against mean"
    assert differences(asdict(SPEC), json.loads(json.dumps(asdict(SPEC)))) == ""


def test_a_field_that_another_version_does_not_know_differs() -> None:
    old = {name: value for name, value in asdict(SPEC).items() if name != "dtype"}
    assert differences(asdict(SPEC), old) == "dtype: float32 against unknown"
    assert differences(old, asdict(SPEC)) == "dtype: unknown against float32"


def test_a_digest_is_16_digits_whatever_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) == "0855bfc20eb6cfaa"


@MODEST
@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_a_prediction_is_the_mean_of_its_beta(alpha: float, beta: float) -> None:
    assert Prediction(alpha, beta, "p", "").success == pytest.approx(alpha / (alpha + beta))
    assert 0 < Prediction(alpha, beta, "p", "").success < 1


def test_an_answer_says_its_outcome() -> None:
    answered = Answer("q", "444", 1.0, True, 4, 4, False)
    assert answered.outcome == "answered"
    assert replace(answered, abstained=True).outcome == "abstained"


def test_an_arrival_survives_the_wire() -> None:
    text = 'é \u2028 \U0001f600 " \\'
    recording = Recording((RecordedSample(text, 0.1, 3), RecordedSample(None, 1.0)), "m")
    limits: dict[str, Any] = {"max_budget": 3, "tenant": text, "deadline_seconds": 0.25}
    query = Query("math", text, "1", id=text, metadata={text: [1.5]}, recording=recording, **limits)
    arrival = Arrival(KEY, RUN, query)
    assert Arrival.from_json(arrival.to_json().encode().decode()) == arrival


@pytest.mark.parametrize(
    "payload",
    ["", "{", "5", "null", "[]", "{}", '{"id": 5, "run_id": 6, "query": {}}', '{"id": "x"}'],
)
def test_what_is_no_arrival_is_refused_as_such(payload: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        Arrival.from_json(payload)


def test_an_arrival_is_checked_again_when_it_is_read() -> None:
    data = json.loads(Arrival(KEY, RUN, QUERY).to_json())
    data["query"]["prompt"] = "\x00"
    with pytest.raises(BadQueryError, match=r"prompt: .*NUL"):
        Arrival.from_json(json.dumps(data))


@pytest.mark.parametrize(("name", "value"), [("tenant", ""), ("deadline_seconds", -1)])
def test_an_arrival_whose_tenant_or_deadline_is_none_is_refused_when_it_is_read(
    name: str, value: object
) -> None:
    data = json.loads(Arrival(KEY, RUN, QUERY).to_json())
    data["query"][name] = value
    with pytest.raises(BadQueryError, match=f"{name}: "):
        Arrival.from_json(json.dumps(data))
