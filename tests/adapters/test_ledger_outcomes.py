"""Proves that a training set is what the ledger holds: in order, with who decided, and nothing else."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.outcomes import PostgresOutcomes
from adaqueue.adapters.ledger.prior import FittedPrior
from adaqueue.adapters.sql import features
from adaqueue.core.decisions import Allocation, Entering, Prediction
from adaqueue.core.exploration import EXPLORATION
from adaqueue.core.logged import Logged, Scope
from adaqueue.core.marginal import IntArray
from adaqueue.core.specs import Sampling
from adaqueue.core.trust import Audit
from tests.scene import SAMPLING, Scene, allocations, by_id, closing, query, recorded, samples, verdict

SCOPE = Scope("m", "math", SAMPLING.fingerprint(), None, 100)
BELIEVED = Prediction(1.0, 3.0, "p", "probe")


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def by_length(prompts: Sequence[str]) -> IntArray:
    return np.array([len(prompt) for prompt in prompts], dtype=np.int64)


def load(scene: Scene, **scope: Any) -> Logged:
    return PostgresOutcomes(scene.database, by_length).load(replace(SCOPE, **scope))


def draw(
    scene: Scene, rewards: dict[str, Sequence[float | None]], sampling: Sampling = SAMPLING
) -> list[UUID]:
    """Gives each query its samples with these rewards, in one window; None could not be verified."""
    keys = scene.add(*(query(name, prompt="?" * len(name)) for name in rewards))
    sampler = scene.sampler()
    claims = by_id(sampler.claim(scene.grant(*map(len, rewards.values()))))
    for name, claim in claims.items():
        numbers = range(claim.budget)
        said = [verdict(claim, number, rewards[name][number]) for number in numbers]
        sampler.record([claim], sampling, samples(claim, *reversed(numbers), tokens=len(name)))
        sampler.finish([closing(claim)], said)
    return keys


def register(scene: Scene, name: str, fingerprint: str) -> None:
    scene.rows(
        "INSERT INTO probes (id, name, decoder, domain, features_fingerprint, sampling_fingerprint, spec, "
        "metrics, weights, sha256, state) VALUES (:id, :name, 'm', 'math', :fingerprint, '', '{}', '{}', '', "
        "'', 'retired') RETURNING 1",
        id=uuid7(),
        name=name,
        fingerprint=fingerprint,
    )


def test_rewards_come_in_order_of_drawing_with_what_could_not_be_verified_left_out(scene: Scene) -> None:
    keys = draw(scene, {"a": (0, 1, 0), "long": (None, 0, 1), "none": ()})
    found = load(scene)
    given = dict(zip(found.outcomes.ids, found.outcomes.rewards, strict=True))
    assert given == {str(keys[0]): (0, 1, 0), str(keys[1]): (0, 1), str(keys[2]): ()}
    assert sorted(found.budgets) == [0, 3, 3]
    assert set(found.outcomes.prompts) == {"?", "????"}
    assert sorted(found.outcomes.groups) == [1, 4, 4]
    np.testing.assert_array_equal(np.sort(found.outcomes.tokens), [1, 4, np.nan])
    assert found.outcomes.states is None


def test_the_newest_come_oldest_first_and_none_that_came_before_a_time(scene: Scene) -> None:
    keys = [draw(scene, {name: (1,)})[0] for name in "abc"]
    assert load(scene, most=2).outcomes.ids == tuple(map(str, keys[1:]))
    last = scene.one("SELECT created_at FROM queries WHERE id = :id", id=keys[2])
    assert load(scene, since=last).outcomes.ids == (str(keys[2]),)
    assert len(load(scene, since=last + datetime.timedelta(seconds=1))) == 0


def test_states_are_those_of_the_fingerprint_and_queries_without_them_are_counted(scene: Scene) -> None:
    a, b = draw(scene, {"a": (1,), "b": (1,)})
    with scene.database.begin() as conn:
        features.store(conn, "ours", {a: np.array([1, 2], dtype=np.float32).tobytes()})
        features.store(conn, "other", {key: b"other" for key in (a, b)})
    found = load(scene, features="ours")
    np.testing.assert_array_equal(np.asarray(found.outcomes.states), [[1, 2]])
    assert found.provenance.left_out == {"without these features": 1}
    assert len(load(scene)) == 2
    assert load(scene, features="unknown").outcomes.states is not None


def test_other_decoders_domains_samplings_and_replays_are_not_learnt_from(database: Database) -> None:
    scene = Scene(database)
    draw(scene, {"a": (1,)})
    draw(scene, {"hot": (1,)}, Sampling("m", 1.5, 8))
    replayed = Scene(database, name="replayed", engine="replay")
    replayed.add(query("r", recording=recorded(1.0)))
    replayed.grant(0)
    assert len(load(scene)) == 1
    assert load(scene).provenance.left_out == {"drawn with another sampling": 1}
    assert len(load(scene, decoder="n")) == len(load(scene, domain="code")) == 0


def test_a_query_that_still_draws_counts_with_what_it_drew(scene: Scene) -> None:
    a, b = draw(scene, {"a": (0, 0), "b": (1,)})
    scene.rows(
        "UPDATE queries SET state = 'open', outcome = NULL, closed_at = NULL WHERE id = :id RETURNING 1", id=a
    )
    assert load(scene).outcomes.ids == (str(a), str(b))
    assert load(scene).outcomes.rewards == ((0, 0), (1,))
    assert load(scene, most=1).outcomes.ids == (str(b),)


def test_what_voted_was_not_verified_and_teaches_nothing(scene: Scene) -> None:
    a, _ = draw(scene, {"a": (0, None), "b": (1,)})
    scene.rows("UPDATE verdicts SET verifier = 'consensus' WHERE query_id = :id RETURNING 1", id=a)
    assert load(scene).provenance.left_out == {"voted, as they have no reference": 1}


def test_the_prior_is_that_of_the_same_draws(scene: Scene) -> None:
    prior = FittedPrior(scene.database, SAMPLING, (1.0, 1.0), clock=iter(range(0, 1_000, 100)).__next__)
    assert prior("math") == pytest.approx((1.0, 1.0), rel=0.01)
    draw(scene, {f"q{n}": (0, 0) for n in range(30)})
    scene.rows("UPDATE queries SET state = 'open', outcome = NULL, closed_at = NULL RETURNING 1")
    draw(scene, {f"s{n}": (1,) for n in range(10)})
    draw(scene, {f"hot{n}": (1,) for n in range(50)}, Sampling("m", 1.5, 8))
    alpha, beta = prior("math")
    assert alpha / (alpha + beta) == pytest.approx(0.25, abs=0.05)
    assert prior("code") == pytest.approx((1.0, 1.0), rel=0.01)


def test_what_is_dead_or_ended_before_its_window_is_no_outcome(scene: Scene) -> None:
    scene.add(query("dead"))
    sampler = scene.sampler(most_failures=1)
    sampler.fail(sampler.claim(scene.grant(1)), "broke", [])
    scene.add(query("late", deadline_seconds=1.0), query("waits"))
    scene.pass_time(2.0)
    assert scene.rounds(scene.lease()).expire() == 1
    assert len(load(scene)) == 0
    assert load(scene).provenance.left_out == {"ended before its window": 1}


def test_who_decided_is_known_with_what_it_read_and_said(database: Database) -> None:
    scene = Scene(database, policy="sequential")
    register(scene, "p", "ours")
    a, b = scene.add(query("a"), query("b"))
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), windows.next_window()
    assert epoch is not None
    assert window is not None
    prior = Prediction(1.0, 1.0, "prior", "no probe")
    windows.enter(epoch, window, [Entering(a, BELIEVED, 0.25), Entering(b, prior, 0.5)], None)
    rounds = scene.rounds(windows.lease)
    due = rounds.next_round()
    assert due is not None
    granted = [
        replace(one, prediction=p)
        for one, p in zip(allocations(window, 1, 0), (BELIEVED, prior), strict=True)
    ]
    rounds.commit_round(epoch, due, granted, [])
    sampler = scene.sampler()
    (claim,) = sampler.claim([granted[0].id])
    sampler.record([claim], SAMPLING, samples(claim, 0))
    sampler.finish([closing(claim)], [verdict(claim, 0)])
    found = load(scene)
    rows = [found.outcomes.ids.index(str(key)) for key in (a, b)]
    taken = found.take(np.array(rows))
    assert taken.probes == ("p", "prior")
    assert taken.reads == ("ours", None)
    assert taken.beliefs.alpha.tolist() == [1, 1]
    assert taken.beliefs.score == pytest.approx([np.log(1 / 3), 0])
    assert taken.beliefs.zero.tolist() == [0, 0]
    assert taken.budgets.tolist() == [1, 0]
    assert taken.outcomes.stopped.tolist() == [True, True]
    assert taken.explored.tolist() == [False, False]
    assert taken.propensities.tolist() == [1, 1]
    assert len(set(taken.windows.tolist())) == 1


def test_a_probe_that_nobody_knows_any_more_read_what_nobody_knows(database: Database) -> None:
    scene = Scene(database, policy="window")
    draw(scene, {"a": (1,)})
    scene.rows("UPDATE allocations SET probe = 'gone' RETURNING 1")
    assert load(scene).reads == ("those of gone, which is no longer registered",)


def test_windows_are_told_apart(scene: Scene) -> None:
    draw(scene, {"a": (1,), "b": (0,)})
    draw(scene, {"c": (1,)})
    found = load(scene)
    assert sorted(found.windows) == [0, 0, 1]
    assert not found.explorable.any()


def test_a_random_budget_is_known_as_one_with_its_law(database: Database) -> None:
    scene = Scene(database, policy="sequential", average_budget=2.5, b_max=6)
    (key,) = scene.add(query("a", min_budget=1, max_budget=5))
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), windows.next_window()
    assert epoch is not None
    assert window is not None
    random = Allocation(uuid7(), key, 3, 0, BELIEVED, 0.0, propensity=0.01, policy=EXPLORATION)
    windows.enter(epoch, window, [Entering(key, BELIEVED, 0.25)], None, [random])
    sampler = scene.sampler()
    (claim,) = sampler.claim([random.id])
    sampler.record([claim], SAMPLING, samples(claim, 0, 1, 2))
    sampler.finish([closing(claim)], [verdict(claim, number, float(number == 1)) for number in range(3)])
    found = load(scene)
    assert [list(rewards) for rewards in found.outcomes.rewards] == [[0, 1, 0]]
    assert (found.explored.tolist(), found.outcomes.stopped.tolist()) == ([True], [False])
    assert found.propensities.tolist() == [0.01]
    assert [found.law.average_budget.tolist(), found.law.most.tolist()] == [[2.5], [5]]
    assert found.law.least.tolist() == [1]
    assert found.explorable.tolist() == [True]
    assert found.provenance.policies == {"exploration": 1}


def test_the_provenance_is_plain_data_that_names_runs_probes_verifiers_and_their_errors(scene: Scene) -> None:
    keys = draw(scene, {"a": (0, 1), "b": (1,)})
    found = [Audit(keys[0], 0, "math", False, "math:judge", "7", True)]
    scene.verifier().audit(found)
    said = json.loads(json.dumps(asdict(load(scene).provenance)))
    times = scene.one("SELECT min(created_at), max(created_at) FROM queries")
    assert (said.pop("first"), said.pop("last")) == tuple(time.isoformat() for time in times)
    rates = {"false_accepts": {"count": 0, "of": 0}, "false_rejects": {"count": 1, "of": 1}}
    assert said == {
        "queries": 2,
        "runs": [str(scene.run.id)],
        "policies": {"uniform": 2},
        "probes": {"prior": 2},
        "verifiers": {"math 1": 3},
        "error_rates": {"math by math:judge": rates},
        "left_out": {},
    }


def test_an_empty_ledger_has_no_outcomes(scene: Scene) -> None:
    found = load(scene, features="ours")
    assert len(found) == 0
    assert found.provenance.first is None
