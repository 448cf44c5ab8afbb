"""Proves what a live suite makes of the system's answers, and that it says where there is nothing to make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.live_runs import LiveRuns
from adaqueue.core.decisions import Prediction
from adaqueue.core.errands import Errand, Ran
from adaqueue.core.query import Query
from adaqueue.core.records import Answer, Drawn, Result
from adaqueue.core.specs import Run
from adaqueue.core.suites import Alarms, Measured, Suite
from adaqueue.errors import BadOutcomesError, UnavailableError
from adaqueue.flows.live_suites import LiveSuites
from adaqueue.flows.retrain import Champion
from tests.flows.plant import Plant
from tests.scene import query

SUITE = Suite("s", "live", ("q.jsonl",), ("sequential",), (2,), 4, alarms=Alarms())
PRIOR = Prediction(1.0, 1.0, "prior", "no probe")


class Answering:
    """A system that gives each query's samples these rewards, and answers with the best of the first two."""

    model = "m"

    def __init__(self, rewards: Mapping[str, Sequence[float]]) -> None:
        self.rewards = rewards
        self.asked: list[str] = []

    def run(self, errand: Errand, queries: Sequence[Query]) -> Ran:
        self.asked.append(errand.name)
        given = {str(one.id): tuple(self.rewards[str(one.id)]) for one in reversed(queries)}
        results = [self._result(key, rewards[:2]) for key, rewards in given.items()]
        return Ran(results, [Drawn(key, PRIOR, 4, rewards) for key, rewards in given.items()])

    def _result(self, key: str, rewards: tuple[float, ...]) -> Result:
        if not rewards:
            return Result(key, "", "dead_lettered", None, "it broke")
        answer = Answer(key, "t", max(rewards), max(rewards) == 1, 2, 2, abstained=False)
        return Result(key, "", "answered", answer, None)

    def vectors(self, errand: Errand, fingerprint: str) -> Mapping[str, bytes]:
        return {}

    def close(self, errand: Errand) -> None:
        self.asked.remove(errand.name)

    def champion(self, domain: str) -> Champion | None:
        return None


def measured(system: Answering, queries: Sequence[Query], suite: Suite = SUITE) -> Measured:
    def near_duplicates(prompts: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.arange(len(prompts))

    suites = LiveSuites(system, lambda _: queries, lambda _: {"sha256": "0" * 64}, near_duplicates, {})
    return suites.measure(suite, "n")


def test_what_each_query_came_to_is_kept_in_the_order_of_the_file() -> None:
    system = Answering({"c": (1, 0, 0, 0), "a": (0, 1), "b": (0, 0, 1, 1)})
    data = measured(system, [query("c"), query("a"), query("b")]).sets["q.jsonl"]
    assert data["each"] == {"successes": [1, None, 2]}
    assert data["live"]["sequential"]["2"]["each"] == [1, 1, 0]
    assert (data["kind"], data["queries"], data["left_out"]) == ("binary", 2, 1)
    assert system.asked == []
    json.dumps(data, allow_nan=False)


def test_real_rewards_are_told_as_such() -> None:
    system = Answering({"a": (-1.5, 2.5, 0, 0), "b": (0.5, 0.5, 0.5, 0.5), "c": ()})
    asked = [query(name, domain="chat", reference=None) for name in "abc"]
    data = measured(system, asked).sets["q.jsonl"]
    assert (data["kind"], data["queries"], data["left_out"]) == ("real", 2, 1)
    assert data["each"] == {"reward": [0.25, 0.5, None]}
    lived = data["live"]["sequential"]["2"]
    assert (lived["reward"], lived["each"]) == (1.5, [2.5, 0.5, None])
    assert lived["reward_low"] < 1.5 < lived["reward_high"]


def test_where_no_query_has_all_of_its_samples_verified_no_policy_is_asked_and_nothing_reported() -> None:
    system = Answering({"a": (1, 0, 1), "b": ()})
    with pytest.raises(UnavailableError, match=r"2 queries: none has all of its 4 samples verified"):
        measured(system, [query("a"), query("b")])
    assert len(system.asked) == 1


def test_an_id_that_is_given_twice_is_refused_before_anything_is_asked() -> None:
    system = Answering({})
    with pytest.raises(BadOutcomesError, match=r"files: q\.jsonl: id 'b': 2 queries have it"):
        measured(system, [query("a"), query("b"), query("b", reference="3")])
    assert system.asked == []


def test_it_is_measured_through_the_inbox_and_the_ledger(plant: Plant) -> None:
    def new_run(errand: Errand) -> Run:
        return replace(
            plant.scene.run,
            id=uuid7(),
            name=errand.name,
            policy=errand.policy,
            average_budget=float(errand.average_budget),
            is_batch=True,
            purpose="evaluation",
        )

    live = LiveRuns(plant.scene.database, plant.inbox, new_run, lambda _: None, "m")
    asked = [replace(query(name, reference=says), prompt=name) for name, says in ("a0", "b1", "c2")]
    suites = LiveSuites(live, lambda _: asked, lambda _: {}, lambda prompts: np.arange(len(prompts)), {})
    with ThreadPoolExecutor(1) as beside:
        measuring = beside.submit(suites.measure, SUITE, "n")
        while not measuring.done():
            _ = plant.ingest() or plant.work() or plant.schedule() or plant.buy()
    data = measuring.result().sets["q.jsonl"]
    assert data["each"] == {"successes": [3, 1, 0]}
    lived = data["live"]["sequential"]["2"]
    assert (lived["each"], lived["queries"], lived["failures"]) == ([1, 1, 0], 3, 0)
