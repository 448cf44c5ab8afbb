"""Proves that a client is told how each of its queries ended, by id and content, and that counts agree."""

from __future__ import annotations

from dataclasses import replace

import pytest
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.core.decisions import Allocation, Entering, Prediction
from adaqueue.core.recording import RecordedSample
from adaqueue.core.records import Answer, Drawn, Result
from tests.scene import SAMPLING, Scene, by_id, closing, query, samples, verdict

# `reason` tells why a predictor was used; it stays with the decision
BELIEVED = Prediction(1.0, 1.0, "prior", "")


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def answer(scene: Scene, *names: str) -> None:
    """Gives two samples to each query, the second of them right."""
    scene.add(*(query(name) for name in names))
    sampler = scene.sampler()
    for claim in sampler.claim(scene.grant(*([2] * len(names)))):
        sampler.record([claim], SAMPLING, samples(claim, 0, 1))
        sampler.finish([closing(claim, 1)], [verdict(claim, 0, 0.0), verdict(claim, 1)])


def bury(scene: Scene, name: str) -> None:
    scene.add(query(name))
    sampler = scene.sampler(most_failures=1)
    sampler.fail(sampler.claim(scene.grant(3)), "broke", [])


def test_an_answer_is_told_by_id_and_content(scene: Scene) -> None:
    answer(scene, "a")
    told = Answer("a", "text 1", 1.0, True, 2, 2, False)
    expected = Result("a", query("a").content_hash(), "answered", told, None)
    assert scene.results.closed(scene.run.id, ["a"]) == [expected]


def test_only_what_was_asked_for_and_has_ended_is_told(scene: Scene) -> None:
    answer(scene, "a", "b")
    scene.add(query("open"))
    asked = ["a", "open", "unknown"]
    assert [result.id for result in scene.results.closed(scene.run.id, asked)] == ["a"]
    assert scene.results.closed(scene.run.id, []) == []
    assert scene.results.closed(uuid7(), asked) == []


def test_an_id_with_other_content_is_a_result_of_its_own(scene: Scene) -> None:
    answer(scene, "a")
    other = scene.arrival(query("a", reference="3"))
    _, refused = scene.ingest.insert([other])
    scene.ingest.bury(refused)
    told = {result.content: result for result in scene.results.closed(scene.run.id, ["a"])}
    assert told[query("a").content_hash()].outcome == "answered"
    conflict = told[other.query.content_hash()]
    assert (conflict.outcome, conflict.answer) == ("dead_lettered", None)
    assert conflict.reason == "id 'a' was given before in this run with other content"


def test_a_dead_letter_is_told_once_with_its_reason(scene: Scene) -> None:
    bury(scene, "a")
    (result,) = scene.results.closed(scene.run.id, ["a"])
    assert (result.id, result.content) == ("a", query("a").content_hash())
    assert (result.outcome, result.answer) == ("dead_lettered", None)
    assert result.reason == "1 attempts failed, the last one: broke"


def test_a_query_of_a_run_that_does_not_exist_is_told_too(scene: Scene) -> None:
    lost = replace(scene.arrival(query("a")), run_id=uuid7())
    _, refused = scene.ingest.insert([lost])
    scene.ingest.bury(refused)
    (result,) = scene.results.closed(lost.run_id, ["a"])
    assert result.reason == f"run {lost.run_id} does not exist"


def test_thousands_may_be_asked_for_at_once(scene: Scene) -> None:
    answer(scene, "a")
    asked = [f"q{number}" for number in range(70_000)] + ["a"]
    assert [result.id for result in scene.results.closed(scene.run.id, asked)] == ["a"]


def test_counts_agree_with_one_another(scene: Scene) -> None:
    answer(scene, "a", "b")
    bury(scene, "dead")
    scene.add(query("nothing"))
    scene.grant(0)
    assert scene.results.counts(scene.run.id) == {
        "queries": 4,
        "answered": 2,
        "abstained": 1,
        "allocations": 4,
        "budget": 7,
        "samples": 4,
        "verdicts": 4,
        "answers": 3,
        "account": 4,
        "wasted_samples": 0,
    }


def test_verdicts_count_no_more_than_samples_after_the_verifier_broke(scene: Scene) -> None:
    scene.add(query("a"))
    sampler = scene.sampler()
    ids = scene.grant(2)
    (claim,) = sampler.claim(ids)
    sampler.record([claim], SAMPLING, samples(claim, 0, 1))
    sampler.fail([claim], "not verified", [verdict(claim, 0, None), verdict(claim, 1, None)])
    (again,) = sampler.claim(ids)
    sampler.finish([closing(again)], [verdict(again, 0), verdict(again, 1)])
    counts = scene.results.counts(scene.run.id)
    assert (counts["samples"], counts["verdicts"]) == (2, 2)


def test_counts_are_of_one_run(database: Database) -> None:
    one, two = Scene(database, name="one"), Scene(database, name="two")
    answer(one, "a")
    assert set(two.results.counts(two.run.id).values()) == {0}


def test_what_was_drawn_is_told_by_id_in_the_order_of_sampling(scene: Scene) -> None:
    scene.add(query("b"), query("a"))
    sampler = scene.sampler()
    claims = by_id(sampler.claim(scene.grant(3, 0)))
    claim = claims["b"]
    sampler.record([claim], SAMPLING, samples(claim, 2, 0, 1))
    verdicts = [verdict(claim, 2, 1.0), verdict(claim, 0, 0.0), verdict(claim, 1, None)]
    sampler.fail([claim], "cut", verdicts)
    assert scene.results.drawn(scene.run.id) == [
        Drawn("a", BELIEVED, 0, ()),
        Drawn("b", BELIEVED, 3, (0.0, 1.0)),
    ]


def test_responses_with_a_verdict_are_told_by_id_in_the_order_of_sampling(scene: Scene) -> None:
    scene.add(query("a"), query("b"))
    sampler = scene.sampler()
    claim = by_id(sampler.claim(scene.grant(3, 0)))["a"]
    drawn = samples(claim, 2, 0, 1)
    sampler.record([claim], SAMPLING, drawn)
    sampler.fail([claim], "cut", [verdict(claim, 2, 1.0), verdict(claim, 0, 0.0), verdict(claim, 1, None)])
    told = {sample.number: (sample.text, sample.tokens_out) for sample in drawn}
    assert scene.results.responses(scene.run.id) == {
        "a": [RecordedSample(told[0][0], 0.0, told[0][1]), RecordedSample(told[2][0], 1.0, told[2][1])]
    }


@pytest.mark.parametrize("curve", [None, (-0.5, -1.25, 0.125)])
def test_what_was_believed_of_an_open_query_is_told_with_its_curve_and_all_its_samples(
    database: Database, curve: tuple[float, float, float] | None
) -> None:
    scene = Scene(database, policy="sequential")
    (key,) = scene.add(query("a"))
    believed = Prediction(0.5, 2.0, "math-1", "probe", curve)
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), windows.next_window()
    assert epoch is not None
    assert window is not None
    windows.enter(epoch, window, [Entering(key, believed, 0.2)], (0.1, 0.1))
    assert scene.results.drawn(scene.run.id) == []
    rounds, sampler = scene.rounds(windows.lease), scene.sampler()
    for number in range(2):
        due = rounds.next_round()
        assert due is not None
        assert [one.prediction for one in due.queries] == [believed]
        granted = Allocation(uuid7(), key, 1, number, believed, 0.1, index=0.2)
        rounds.commit_round(epoch, due, [granted], [])
        (claim,) = sampler.claim([granted.id])
        sampler.record([claim], SAMPLING, samples(claim, number))
        sampler.finish([replace(closing(claim, number, 0.0), ends=False)], [verdict(claim, number, 0.0)])
    told = Prediction(0.5, 2.0, "math-1", "", curve)
    assert scene.results.drawn(scene.run.id) == [Drawn("a", told, 2, (0.0, 0.0))]


def test_the_same_id_of_two_tenants_is_told_by_content(scene: Scene) -> None:
    ours, theirs = query("a"), query("a", tenant="b")
    scene.add(ours, theirs)
    for budget in (1, 0):
        for claim in scene.sampler().claim(scene.grant(budget)):
            scene.sampler().hand_back([claim])
    told = {result.content: result.outcome for result in scene.results.closed(scene.run.id, ["a"])}
    ((tenant,),) = scene.rows("SELECT tenant FROM queries WHERE outcome = 'abstained'")
    ended = {"default": ours, "b": theirs}[tenant]
    assert told == {ended.content_hash(): "abstained"}


def test_a_batch_is_sealed_once_it_gets_no_more(database: Database) -> None:
    scene = Scene(database, is_batch=True)
    assert scene.one("SELECT is_batch, sealed_queries IS NULL FROM runs") == (True, True)
    scene.results.seal_run(scene.run.id, 2)
    assert scene.one("SELECT sealed_queries FROM runs") == 2
