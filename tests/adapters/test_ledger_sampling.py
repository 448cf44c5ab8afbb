"""Proves that one attempt at a time holds an allocation, and that a void one writes nothing but its waste."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.sampling import PostgresSamplingLedger
from adaqueue.core.arrivals import Arrival
from adaqueue.core.decisions import Allocation, Entering
from adaqueue.core.query import DEFAULT_TENANT
from adaqueue.core.records import Claim, Closing, sample_seed
from tests.scene import PRIOR, SAMPLING, Scene, by_id, closing, query, recorded, samples, verdict

TABLES = ("queries", "allocations", "samples", "verdicts", "answers", "accounts", "dead_letters")


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def granted(scene: Scene, *budgets: int) -> list[UUID]:
    scene.add(*(query(f"q{number}") for number in range(len(budgets))))
    return scene.grant(*budgets)


def claimed(scene: Scene, *budgets: int) -> tuple[PostgresSamplingLedger, list[Claim]]:
    sampler = scene.sampler()
    claims = sampler.claim(granted(scene, *budgets))
    assert [claim.budget for claim in claims] == list(budgets)
    return sampler, claims


def state(scene: Scene) -> dict[str, list[Any]]:
    return {name: scene.rows(f"SELECT * FROM {name} ORDER BY 1, 2") for name in TABLES}  # noqa: S608 - constants


def allocation(scene: Scene) -> tuple[Any, ...]:
    found: tuple[Any, ...] = scene.one("SELECT state, attempt, failures, worker_id FROM allocations")
    return found


def test_a_claim_carries_all_that_is_needed_to_work_it_off(scene: Scene) -> None:
    given = query("a", metadata={"x": 1}, min_budget=2, max_budget=7)
    (key,) = scene.add(given)
    (allocation_id,) = scene.grant(3)
    worker = scene.worker()
    (claim,) = scene.sampler(worker).claim([allocation_id])
    assert (claim.allocation_id, claim.query_id) == (allocation_id, key)
    assert claim.query == replace(given, tenant=DEFAULT_TENANT)
    assert claim.query.content_hash() == given.content_hash()
    assert (claim.attempt, claim.budget, claim.first_sample) == (1, 3, 0)
    assert (claim.stops, claim.min_budget, claim.max_budget) == (False, 2, 7)
    assert (claim.samples, claim.verdicts) == ((), ())
    assert [unit.seed for unit in claim.units()] == [sample_seed(key, number) for number in range(3)]
    assert allocation(scene) == ("running", 1, 1, worker)
    (attempt,) = scene.rows("SELECT * FROM attempts")
    assert (attempt.allocation_id, attempt.attempt, attempt.worker_id) == (allocation_id, 1, worker)
    assert (attempt.asked_samples, attempt.outcome, attempt.ended_at) == (3, None, None)


def test_what_is_not_ready_is_not_claimed(scene: Scene) -> None:
    ready, empty = granted(scene, 2, 0)
    assert len(scene.sampler().claim([uuid7(), empty, ready])) == 1
    assert scene.sampler().claim([empty, ready]) == []
    assert scene.sampler().claim([]) == []


def test_two_claimers_at_once_never_hold_the_same_allocation(scene: Scene) -> None:
    ids = granted(scene, *([1] * 60))
    samplers = [scene.sampler() for _ in range(4)]
    start = threading.Barrier(len(samplers))
    taken: list[list[UUID]] = []

    def take(sampler: PostgresSamplingLedger) -> None:
        start.wait()
        mine = [claim.allocation_id for batch in (ids[:30], ids, ids[30:]) for claim in sampler.claim(batch)]
        taken.append(mine)

    threads = [threading.Thread(target=take, args=[sampler]) for sampler in samplers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for mine in taken for key in mine) == sorted(ids)
    assert scene.one("SELECT max(attempt), count(*) FROM allocations") == (1, 60)


def test_samples_are_stored_with_all_that_is_known_of_them(scene: Scene) -> None:
    sampler, (claim,) = claimed(scene, 2)
    drawn = samples(claim, 1, tokens=4)
    assert sampler.record([claim], SAMPLING, drawn) == {claim.allocation_id}
    (row,) = scene.rows("SELECT * FROM samples")
    assert (row.query_id, row.number, row.allocation_id, row.attempt) == (
        claim.query_id,
        1,
        claim.allocation_id,
        1,
    )
    assert (row.decoder, row.sampling_fingerprint, row.seed) == ("m", SAMPLING.fingerprint(), 1)
    assert (row.text, row.tokens_in, row.tokens_out) == ("text 1", 5, 4)
    assert (row.finish_reason, row.seconds) == ("stop", 0.1)


def test_a_response_recorded_twice_is_stored_once(scene: Scene) -> None:
    sampler, (claim,) = claimed(scene, 2)
    for tokens in (3, 99):
        assert sampler.record([claim], SAMPLING, samples(claim, 0, tokens=tokens)) == {claim.allocation_id}
    assert scene.one("SELECT tokens_out FROM samples") == 3
    assert scene.one("SELECT wasted_samples FROM attempts") == 0


def test_a_finished_query_is_closed_with_its_answer(scene: Scene) -> None:
    sampler, (claim,) = claimed(scene, 2)
    sampler.record([claim], SAMPLING, samples(claim, 0, 1))
    sampler.finish([closing(claim, 1)], [verdict(claim, 0, 0.0), verdict(claim, 1, 1.0)])
    (answer,) = scene.rows("SELECT * FROM answers")
    assert (answer.query_id, answer.text, answer.sample_number, answer.reward) == (
        claim.query_id,
        "text 1",
        1,
        1.0,
    )
    assert (answer.verified, answer.budget, answer.samples_used, answer.abstained) == (True, 2, 2, False)
    assert scene.rows("SELECT number, verdict, reward FROM verdicts ORDER BY number") == [
        (0, "wrong_answer", 0.0),
        (1, "passed", 1.0),
    ]
    assert scene.one("SELECT state, outcome FROM queries") == ("closed", "answered")
    assert allocation(scene)[:3] == ("done", 1, 0)
    assert scene.one("SELECT outcome FROM attempts") == "finished"
    assert scene.account() == {"allowed": 2, "granted": 2, "returned": 0}


def test_finishing_twice_changes_nothing(scene: Scene) -> None:
    sampler, (claim,) = claimed(scene, 1)
    sampler.record([claim], SAMPLING, samples(claim, 0))
    sampler.finish([closing(claim)], [verdict(claim, 0)])
    before = state(scene)
    sampler.finish([closing(claim, reward=0.0)], [verdict(claim, 0, 0.0)])
    sampler.fail([claim], "late", [verdict(claim, 0, 0.0)])
    sampler.hand_back([claim])
    assert state(scene) == before
    assert sampler.claim([claim.allocation_id]) == []


def test_an_attempt_takes_up_where_the_one_before_was_cut_off(scene: Scene) -> None:
    sampler, (claim,) = claimed(scene, 3)
    sampler.record([claim], SAMPLING, samples(claim, 0, 2))
    sampler.fail([claim], "cut", [verdict(claim, 0), verdict(claim, 2, None)])
    (again,) = scene.sampler().claim([claim.allocation_id])
    assert again.attempt == 2
    assert [(s.number, s.text, s.seed, s.tokens_out, s.reward) for s in again.samples] == [
        (0, "text 0", 0, 3, None),
        (2, "text 2", 2, 3, None),
    ]
    assert again.verdicts == (verdict(claim, 0),)
    assert [unit.number for unit in again.units()] == [1]
    assert scene.rows("SELECT asked_samples FROM attempts ORDER BY attempt") == [(3,), (1,)]


def test_recorded_rewards_come_back_with_their_samples(database: Database) -> None:
    scene = Scene(database, engine="replay")
    scene.add(query(recording=recorded(1, 0.25, 0)))
    (allocation_id,) = scene.grant(3)
    sampler = scene.sampler()
    (claim,) = sampler.claim([allocation_id])
    assert claim.query.recording == recorded(1, 0.25, 0)
    sampler.record([claim], SAMPLING, samples(claim, 1, 2))
    sampler.hand_back([claim])
    (again,) = scene.sampler().claim([allocation_id])
    assert [(sample.number, sample.reward) for sample in again.samples] == [(1, 0.25), (2, 0)]


def test_handing_back_counts_no_failure_and_keeps_what_was_drawn(scene: Scene) -> None:
    (allocation_id,) = granted(scene, 2)
    for attempt in range(1, 6):
        sampler = scene.sampler(most_failures=2)
        (claim,) = sampler.claim([allocation_id])
        sampler.record([claim], SAMPLING, samples(claim, attempt % 2))
        sampler.hand_back([claim])
        assert allocation(scene) == ("ready", attempt, 0, None)
    assert scene.rows("SELECT DISTINCT outcome, wasted_samples FROM attempts") == [("handed_back", 0)]
    assert scene.one("SELECT count(*) FROM samples") == 2
    assert scene.outcomes() == {"q0": None}


def test_an_allocation_is_tried_again_after_a_fault_and_buried_after_too_many(scene: Scene) -> None:
    (allocation_id,) = granted(scene, 5)
    for failure in range(1, 4):
        sampler = scene.sampler(most_failures=3)
        (claim,) = sampler.claim([allocation_id])
        if failure == 1:
            sampler.record([claim], SAMPLING, samples(claim, 0, 1))
        assert scene.outcomes() == {"q0": None}
        sampler.fail([claim], f"fault {failure}", [])
        if failure < 3:
            assert allocation(scene) == ("ready", failure, failure, None)
    assert allocation(scene)[:3] == ("dead", 3, 3)
    assert scene.outcomes() == {"q0": "dead_lettered"}
    (letter,) = scene.rows("SELECT * FROM dead_letters")
    assert letter.reason == "3 attempts failed, the last one: fault 3"
    assert (letter.run_id, letter.external_id) == (scene.run.id, "q0")
    assert letter.content.hex() == query("q0").content_hash()
    assert Arrival.from_json(letter.payload).query == query("q0", tenant=DEFAULT_TENANT)
    assert scene.account() == {"allowed": 2, "granted": 5, "returned": 3}
    assert scene.sampler().claim([allocation_id]) == []
    assert scene.rows("SELECT outcome, reason FROM attempts ORDER BY attempt") == [
        ("failed", f"fault {failure}") for failure in (1, 2, 3)
    ]


def test_a_dead_letter_holds_the_whole_query_to_give_it_again(database: Database) -> None:
    scene = Scene(database, engine="replay")
    given = query("é", max_budget=3, metadata={"a": 1}, recording=recorded(1, 0.5), tenant="é")
    (key,) = scene.add(given)
    sampler = scene.sampler(most_failures=1)
    sampler.fail(sampler.claim(scene.grant(2)), "broke", [])
    payload = scene.one("SELECT payload FROM dead_letters")
    assert Arrival.from_json(payload) == Arrival(key, scene.run.id, given)


def test_a_fault_of_some_claims_leaves_the_others_alone(scene: Scene) -> None:
    sampler, claims = claimed(scene, 1, 1)
    sampler.fail([by_id(claims)["q1"]], "broke", [])
    states = scene.rows("SELECT state, failures FROM allocations ORDER BY id")
    assert states == [("running", 1), ("ready", 1)]


def test_a_verifier_that_broke_is_forgotten_once_the_sample_is_verified(scene: Scene) -> None:
    sampler, (claim,) = claimed(scene, 2)
    sampler.record([claim], SAMPLING, samples(claim, 0, 1))
    broken = [verdict(claim, 0, None), verdict(claim, 1, None)]
    sampler.fail([claim], "not verified", broken)
    assert scene.rows("SELECT number, reward FROM verdicts ORDER BY number") == [(0, None), (1, None)]
    (again,) = sampler.claim([claim.allocation_id])
    sampler.fail([again], "not verified", [verdict(claim, 0, 0.0), verdict(claim, 1, None)])
    assert scene.rows("SELECT number, reward FROM verdicts ORDER BY number") == [(0, 0.0), (1, None)]
    (last,) = sampler.claim([claim.allocation_id])
    sampler.finish([closing(last, 1)], [verdict(claim, 0, 0.0), verdict(claim, 1)])
    assert scene.rows("SELECT number, verdict, reward, verifier FROM verdicts ORDER BY number") == [
        (0, "wrong_answer", 0.0, "math"),
        (1, "passed", 1.0, "math"),
    ]


def test_a_verdict_once_reached_stays(scene: Scene) -> None:
    sampler, (claim,) = claimed(scene, 1)
    sampler.record([claim], SAMPLING, samples(claim, 0))
    sampler.fail([claim], "cut", [verdict(claim, 0, 1.0)])
    (again,) = sampler.claim([claim.allocation_id])
    sampler.finish([closing(again)], [verdict(claim, 0, 0.0)])
    assert scene.one("SELECT reward FROM verdicts") == 1.0


Void = Callable[[Scene, Claim], None]


def returned(scene: Scene, claim: Claim) -> None:
    """Its worker was silent: the reaper took the allocation back."""
    scene.pass_time(11.0)
    assert scene.reaper().return_orphans() == 1


def taken_over(scene: Scene, claim: Claim) -> None:
    returned(scene, claim)
    assert len(scene.sampler().claim([claim.allocation_id])) == 1


def answered_by_another(scene: Scene, claim: Claim) -> None:
    returned(scene, claim)
    other = scene.sampler()
    (again,) = other.claim([claim.allocation_id])
    other.record([again], SAMPLING, samples(again, 0, 1))
    other.finish([closing(again)], [verdict(again, 0), verdict(again, 1)])


WRITES: dict[str, Callable[[PostgresSamplingLedger, Claim], Any]] = {
    "record": lambda sampler, claim: sampler.record([claim], SAMPLING, samples(claim, 0, 1)),
    "finish": lambda sampler, claim: sampler.finish([closing(claim)], [verdict(claim, 0)]),
    "fail": lambda sampler, claim: sampler.fail([claim], "late", [verdict(claim, 0)]),
    "hand_back": lambda sampler, claim: sampler.hand_back([claim]),
}


@pytest.mark.parametrize("fate", [returned, taken_over, answered_by_another])
@pytest.mark.parametrize("write", WRITES)
def test_a_void_attempt_writes_nothing(scene: Scene, write: str, fate: Void) -> None:
    sampler, (claim,) = claimed(scene, 2)
    fate(scene, claim)
    before = state(scene)
    assert not WRITES[write](sampler, claim)
    assert state(scene) == before
    assert scene.one("SELECT outcome FROM attempts WHERE attempt = 1") == "lost"


def wasted(scene: Scene) -> tuple[int, int, bool]:
    found: tuple[int, int, bool] = scene.one(
        "SELECT wasted_samples, wasted_tokens, wasted_is_exact FROM attempts WHERE attempt = 1"
    )
    return found


def test_what_a_void_attempt_drew_is_booked_once_as_its_waste(scene: Scene) -> None:
    sampler, (claim,) = claimed(scene, 4)
    sampler.record([claim], SAMPLING, samples(claim, 0))
    taken_over(scene, claim)
    assert wasted(scene) == (3, 3 * SAMPLING.max_tokens, False)
    sampler.record([claim], SAMPLING, samples(claim, 1, tokens=5))
    assert wasted(scene) == (1, 5, True)
    sampler.record([claim], SAMPLING, samples(claim, 2, 3, tokens=7))
    assert wasted(scene) == (3, 19, True)


def test_a_response_for_several_claims_is_kept_for_those_still_held(scene: Scene) -> None:
    slow = scene.worker()
    sampler = scene.sampler(slow)
    claims = sampler.claim(granted(scene, 2, 2))
    lost, held = by_id(claims)["q0"], by_id(claims)["q1"]
    scene.rows(
        "UPDATE allocations SET worker_id = :dead WHERE id = :id RETURNING 1",
        dead=uuid7(),
        id=lost.allocation_id,
    )
    assert scene.reaper().return_orphans() == 1
    drawn = samples(lost, 0, 1) + samples(held, 0)
    assert sampler.record(claims, SAMPLING, drawn) == {held.allocation_id}
    assert scene.rows("SELECT query_id, number FROM samples") == [(held.query_id, 0)]
    assert wasted_of(scene, lost) == 2
    assert wasted_of(scene, held) == 0
    sampler.record(claims, SAMPLING, samples(held, 1))
    sampler.finish([closing(lost), closing(held)], [verdict(held, 0), verdict(held, 1), verdict(lost, 0)])
    assert scene.outcomes() == {"q0": None, "q1": "answered"}
    assert scene.rows("SELECT DISTINCT query_id FROM verdicts") == [(held.query_id,)]


def wasted_of(scene: Scene, claim: Claim) -> int:
    return int(
        scene.one("SELECT wasted_samples FROM attempts WHERE allocation_id = :id", id=claim.allocation_id)
    )


def test_giving_up_nothing_is_harmless(scene: Scene) -> None:
    sampler = scene.sampler()
    sampler.fail([], "nothing", [])
    sampler.hand_back([])
    sampler.finish([], [])
    assert sampler.record([], SAMPLING, []) == set()
    assert scene.one("SELECT count(*) FROM attempts") == 0


def test_a_query_that_cannot_be_read_back_is_buried_and_its_batch_goes_on(database: Database) -> None:
    scene = Scene(database)
    scene.add(query("a"), query("b"))
    ids = scene.grant(1, 1)
    with database.begin() as conn:
        conn.execute(text("UPDATE queries SET prompt = to_jsonb(''::text) WHERE external_id = 'a'"))
    (claim,) = scene.sampler().claim(ids)
    assert claim.query.id == "b"
    assert scene.rows("SELECT external_id, outcome FROM queries WHERE state = 'closed'") == [
        ("a", "dead_lettered")
    ]


def opened(scene: Scene, budget: int, first_sample: int = 0) -> UUID:
    """Lets the waiting query of a sequential run enter, if it has not, and buys it samples."""
    windows = scene.windows()
    epoch, window = windows.lease.acquire(), windows.next_window()
    assert epoch is not None
    if window is not None:
        entering = [Entering(waiting.id, PRIOR, 0.5) for waiting in window.queries]
        windows.enter(epoch, window, entering, (0.1, 0.1))
    rounds = scene.rounds(windows.lease)
    due = rounds.next_round()
    assert due is not None
    (one,) = due.queries
    granted = Allocation(uuid7(), one.id, budget, first_sample, PRIOR, 0.1, index=0.5)
    rounds.commit_round(epoch, due, [granted], [])
    windows.lease.release()
    return granted.id


def after(claim: Claim, number: int, reward: float, *, ends: bool) -> Closing:
    """The end of an allocation, and of its query or not."""
    return replace(closing(claim, number, reward), ends=ends)


@pytest.mark.parametrize(
    ("policy", "stops"), [("sequential", True), ("uniform_early_stop", True), ("beta_window", False)]
)
@pytest.mark.parametrize(
    ("fields", "limits"),
    [({}, (0, 8)), ({"min_budget": 2, "max_budget": 5}, (2, 5)), ({"min_budget": 20}, (8, 8))],
)
def test_a_claim_says_whether_a_success_ends_its_query_and_within_which_limits(
    database: Database, policy: str, stops: bool, fields: dict[str, Any], limits: tuple[int, int]
) -> None:
    scene = Scene(database, policy=policy, b_max=8)
    scene.add(query(**fields))
    (claim,) = scene.sampler().claim([opened(scene, 1) if stops else scene.grant(1)[0]])
    assert claim.stops == stops
    assert (claim.min_budget, claim.max_budget) == limits


def test_a_query_without_a_success_is_open_again_with_its_answer_so_far_and_numbers_go_on(
    database: Database,
) -> None:
    scene = Scene(database, policy="sequential")
    scene.add(query())
    sampler = scene.sampler()
    (claim,) = sampler.claim([opened(scene, 2)])
    sampler.record([claim], SAMPLING, samples(claim, 0, 1))
    failed = [verdict(claim, 0, 0.0), verdict(claim, 1, 0.0)]
    sampler.finish([after(claim, 0, 0.0, ends=False)], failed)
    assert scene.one("SELECT state, outcome, drawn, next_index FROM queries") == ("open", None, 2, None)
    assert scene.one("SELECT text, reward, samples_used FROM answers") == ("text 0", 0.0, 2)
    assert scene.results.closed(scene.run.id, ["q"]) == []
    assert allocation(scene)[:3] == ("done", 1, 0)

    (again,) = sampler.claim([opened(scene, 1, first_sample=2)])
    assert (again.numbers, [unit.number for unit in again.units()]) == (range(2, 3), [2])
    assert again.verdicts == tuple(failed)
    sampler.record([again], SAMPLING, samples(again, 2))
    better = after(again, 2, 1.0, ends=True)
    sampler.finish(
        [replace(better, answer=replace(better.answer, budget=3, samples_used=3))], [verdict(again, 2)]
    )
    assert scene.one("SELECT state, outcome FROM queries") == ("closed", "answered")
    assert scene.one("SELECT text, sample_number, reward, verified, budget FROM answers") == (
        "text 2",
        2,
        1.0,
        True,
        3,
    )
    assert scene.account() == {"allowed": 2, "granted": 3, "returned": 0}


def test_a_buried_query_returns_what_it_did_not_draw_to_the_account_of_its_tenant(scene: Scene) -> None:
    scene.add(query("ours"), query("theirs", tenant="they"))
    sampler = scene.sampler(most_failures=1)
    for claim in [one for budget in (3, 4) for one in sampler.claim(scene.grant(budget))]:
        sampler.record([claim], SAMPLING, samples(claim, 0))
        sampler.fail([claim], "broke", [])
    accounts = scene.rows("SELECT tenant, granted, returned FROM accounts ORDER BY tenant")
    assert accounts == [("default", 3, 2), ("they", 4, 3)]


def test_a_void_attempt_opens_no_query_and_returns_nothing(database: Database) -> None:
    scene = Scene(database, policy="sequential")
    scene.add(query())
    sampler = scene.sampler()
    (claim,) = sampler.claim([opened(scene, 3)])
    taken_over(scene, claim)
    before = state(scene)
    sampler.finish([after(claim, 0, 0.0, ends=False)], [verdict(claim, 0, 0.0)])
    assert state(scene) == before
