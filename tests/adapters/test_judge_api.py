"""Proves how a judge behind a server meets its faults, and that its key is never seen."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from adaqueue.adapters.judge_api import ApiJudge
from adaqueue.adapters.vllm_link import Patience
from adaqueue.errors import SettingsError, VerifierError
from tests.contracts.stub import Body, Stub, serve
from tests.hostile import doubt
from tests.judging import chat

KEY = "sk-Gq7-secret/of+ours="
DOUBTS = [doubt("4"), doubt("5"), doubt("4")]
SAID = [True, False, True]


def judge_at(url: str, **given: Any) -> ApiJudge:
    return ApiJudge(url, "m", **({"patience": Patience(30.0, 30.0)} | given))


def first(faults: int, fault: Callable[[], tuple[int, Any]]) -> Callable[[Body], tuple[int, Any]]:
    """Returns a server's reply that is a fault so many times, then the gullible model's."""
    asked = count()
    return lambda body: fault() if next(asked) < faults else chat(body)


def breaks() -> tuple[int, Any]:
    raise ConnectionError


@pytest.mark.parametrize("url_end", ["", "/", "/v1", "/v1/"])
def test_a_question_names_model_seed_temperature_and_a_short_reply(url_end: str) -> None:
    with serve(Stub(chat)) as stub:
        assert judge_at(stub.url + url_end).equal(DOUBTS) == SAID
    assert len(stub.asked) == 3
    for body in stub.asked:
        assert (body["model"], body["temperature"], body["seed"]) == ("m", 0.1, 0)
        assert 1 <= body["max_tokens"] <= 16
        assert [message["role"] for message in body["messages"]] == ["user"]


@pytest.mark.parametrize(
    "fault",
    [
        lambda: (503, {"message": "loading"}),
        lambda: (429, {"error": {"message": "slow down"}}),
        lambda: (500, {"message": "oops"}),
        lambda: (502, "bad gateway"),
        breaks,
    ],
)
def test_a_server_that_is_busy_or_breaks_is_asked_again(fault: Callable[[], tuple[int, Any]]) -> None:
    with serve(Stub(first(2, fault))) as stub:
        assert judge_at(stub.url, in_flight=1).equal(DOUBTS) == SAID


def test_a_server_that_stays_busy_is_given_up_with_its_words() -> None:
    with serve(Stub(lambda _: (503, {"message": "loading the weights"}))) as stub:
        judge = judge_at(stub.url, patience=Patience(0.5, 5.0))
        with pytest.raises(VerifierError, match=r"the judge m: .* is busy: loading the weights \(for "):
            judge.equal(DOUBTS)


def test_a_server_that_is_not_there_is_given_up() -> None:
    with serve(Stub(chat)) as stub:
        url = stub.url
    with pytest.raises(VerifierError, match=r"the judge m: .* cannot be reached"):
        judge_at(url, patience=Patience(0.5, 5.0)).equal(DOUBTS)


def test_a_server_that_does_not_answer_in_time_is_given_up() -> None:
    def slow(body: Body) -> tuple[int, Any]:
        time.sleep(1.5)
        return chat(body)

    with serve(Stub(slow)) as stub:
        judge = judge_at(stub.url, patience=Patience(30.0, 0.2))
        with pytest.raises(VerifierError, match=r"gave no response within 0\.2 s"):
            judge.equal(DOUBTS[:1])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_final_and_carries_the_servers_words(status: int) -> None:
    with serve(Stub(lambda _: (status, {"error": {"message": "the model `m` does not exist"}}))) as stub:
        with pytest.raises(VerifierError, match=r"the judge m: .*: the model `m` does not exist"):
            judge_at(stub.url, in_flight=1).equal(DOUBTS)
        assert len(stub.asked) == 1


@pytest.mark.parametrize("status", [401, 429, 500])
def test_the_key_is_sent_with_each_request_and_seen_nowhere(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = {"error": {"message": f"wrong key: {KEY}" + "." * 480 + KEY}}
    with serve(Stub(lambda _: (status, said), models={"data": []})) as stub:
        judge = judge_at(stub.url, api_key=KEY, patience=Patience(0.3, 5.0))
        with pytest.raises(VerifierError, match=r"wrong key: \*\*\*") as caught:
            judge.equal(DOUBTS)
    assert set(stub.keys) == {f"Bearer {KEY}"}
    seen = [caplog.text, repr(judge), *traceback.format_exception(caught.value)]
    assert not any(KEY[:12] in text for text in seen)


def test_without_a_key_none_is_sent() -> None:
    with serve(Stub(chat)) as stub:
        judge_at(stub.url).equal(DOUBTS)
    assert set(stub.keys) == {None}


@pytest.mark.parametrize("key", ["", "sk 1", "sk-1\n", "sk-\u00e9", "sk\r\nX-Other: 1"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ApiJudge("http://127.0.0.1:1", "m", key)
    assert str(caught.value) == "judge_api_key: give printable ASCII characters without spaces"


def test_a_password_in_the_address_is_refused_without_being_shown() -> None:
    with pytest.raises(SettingsError, match="judge_url: holds a name or password") as caught:
        ApiJudge("https://me:hidden@example.org/v1", "m")
    assert "hidden" not in str(caught.value)


def test_the_server_has_no_more_questions_at_a_time_than_it_is_meant_to() -> None:
    def slow(body: Body) -> tuple[int, Any]:
        time.sleep(0.02)
        return chat(body)

    with serve(Stub(slow)) as stub:
        assert judge_at(stub.url, in_flight=4).equal(DOUBTS * 10) == SAID * 10
    assert 1 < stub.most_in_flight <= 4


@pytest.mark.parametrize(
    ("models", "revision"),
    [
        ({"data": [{"id": "x", "root": "y"}, {"id": "m", "root": "org/model-8b"}]}, "org/model-8b"),
        ({"data": [{"id": "m", "root": "org/model-8b", "revision": "abc123"}]}, "abc123"),
        ({"data": [{"id": "m", "root": "m", "created": 5}]}, ""),
        ({"data": [{"id": "m", "root": None, "revision": 7}]}, ""),
        ({"data": [{"id": "x"}]}, ""),
        ({"data": None}, ""),
        (["m"], ""),
        (None, ""),
    ],
)
def test_the_revision_is_what_the_server_tells_of_the_model(models: Any, revision: str) -> None:
    with serve(Stub(chat, models=models)) as stub:
        judge = judge_at(stub.url)
        assert judge.equal(DOUBTS) == SAID
        assert (judge.name, judge.revision) == ("m", revision)


def reply(message: Any, end: str = "stop") -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": end}]}


@pytest.mark.parametrize(
    "said",
    [
        {},
        [],
        {"choices": []},
        {"choices": None},
        {"choices": ["YES"]},
        reply(None),
        reply({"content": ["YES"]}),
        reply({"content": 1}),
        reply({"content": None}, "length"),
    ],
)
def test_a_reply_that_cannot_be_read_is_a_broken_judge_and_no_verdict(said: Any) -> None:
    with (
        serve(Stub(lambda _: (200, said))) as stub,
        pytest.raises(VerifierError, match="the judge m: "),
    ):
        judge_at(stub.url).equal(DOUBTS[:1])


def test_a_server_that_withholds_a_reply_for_what_it_says_has_not_said_yes() -> None:
    said = reply({"content": None, "refusal": "no"}, "content_filter")
    with serve(Stub(lambda _: (200, said))) as stub:
        assert judge_at(stub.url).equal(DOUBTS) == [False] * 3
