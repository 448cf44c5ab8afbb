"""Proves when what was drawn ends a query: by votes, or by trust in who passed it; audits disturb nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from adaqueue.adapters.consensus_verifier import ConsensusVerifier
from adaqueue.adapters.domain_verifier import DomainVerifier
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.verifying import PostgresAudits
from adaqueue.adapters.math_check import MathChecker
from adaqueue.core.query import Query
from adaqueue.core.records import Sample, Verdict, not_verified
from adaqueue.core.trust import Rates, rates
from adaqueue.errors import VerifierAwayError, VerifierError
from adaqueue.flows.audit import Auditor
from adaqueue.flows.verify import verify
from adaqueue.ports import Verifier
from tests.scene import SAMPLING, Scene, query


class Says:
    """Gives every sample the verdict of its text: `right`, `wrong`, or `broken`; by the verifier named."""

    def __init__(self, verifier: str = "math", route: str = "number") -> None:
        self.verifier, self.route = verifier, route
        self.asked: Counter[str] = Counter()

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        return [self._verdict(sample) for _, sample in drawn]

    def _verdict(self, sample: Sample) -> Verdict:
        text = str(sample.text)
        self.asked[text] += 1
        if text == "broken":
            return not_verified(sample, "out of order")
        reward = float(text == "right")
        said = "passed" if reward else "wrong_answer"
        key = (sample.query_id, sample.number)
        return Verdict(*key, said, reward, self.verifier, "7", self.route, None, 0.0)


class Broken:
    """A verifier that is gone."""

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        raise VerifierError("gone")


NOBODY = Auditor(Broken(), 0.0)


class Case:
    """One query of a run, whose samples say what the test wants."""

    def __init__(self, database: Database, **fields: Any) -> None:
        self.scene = Scene(database, policy=fields.pop("policy", "uniform"), b_max=fields.pop("b_max", 8))
        self.scene.add(query(**fields))

    def draw(self, *texts: str) -> UUID:
        """Draws these texts for the query's only allocation."""
        (key,) = self.scene.grant(len(texts))
        if self.scene.run.policy != "uniform":
            # as rounds do for a query under a sequential policy
            self.scene.rows("UPDATE queries SET state = 'sampling' RETURNING 1")
        sampler = self.scene.sampler()
        (claim,) = sampler.claim([key])
        drawn = [
            Sample(claim.query_id, number, number, text, 1, 1, "stop", 0.1)
            for number, text in enumerate(texts)
        ]
        assert sampler.record([claim], SAMPLING, drawn, [claim]) == {key}
        return key

    def verify(
        self,
        key: UUID,
        verifier: Verifier,
        auditor: Auditor = NOBODY,
        errs: Mapping[str, Rates] | None = None,
    ) -> int:
        return verify([key], self.scene.verifier(), verifier, auditor, errs or {}, Event())

    def answer(self) -> tuple[Any, ...]:
        return tuple(self.scene.one("SELECT text, reward, verified, samples_used FROM answers"))


def votes() -> DomainVerifier:
    return DomainVerifier({"math without a reference": ConsensusVerifier(MathChecker(None))})


def test_what_is_drawn_waits_for_verifiers_and_no_sampler_takes_it_again(database: Database) -> None:
    case = Case(database)
    key = case.draw("wrong", "right")
    assert case.scene.one("SELECT stage, state, failures FROM allocations") == ("verify", "ready", 0)
    assert case.scene.sampler().claim([key]) == []
    case.scene.pass_time(60.0)
    assert case.scene.reaper().overdue() == {("verify", False): [key]}
    assert case.verify(key, Says()) == 1
    assert case.answer() == ("right", 1.0, True, 2)
    assert case.verify(key, Says()) == 0
    assert case.scene.rows("SELECT outcome, asked_samples FROM attempts ORDER BY attempt") == [
        ("finished", 2),
        ("finished", 0),
    ]


def test_what_a_dead_verifier_held_is_verified_by_another_and_nothing_is_wasted(database: Database) -> None:
    case = Case(database)
    key = case.draw("right")
    assert len(case.scene.verifier().claim([key])) == 1
    case.scene.pass_time(60.0)
    assert case.scene.reaper().return_orphans() == 1
    assert case.scene.one("SELECT stage, state, failures FROM allocations") == ("verify", "ready", 1)
    assert case.verify(key, Says()) == 1
    assert case.scene.one("SELECT sum(wasted_samples) FROM attempts") == 0


def test_the_answer_without_a_reference_is_the_one_that_most_samples_agree_on(database: Database) -> None:
    case = Case(database, reference=None)
    key = case.draw(r"\boxed{7}", r"\boxed{0.5}", r"\boxed{}", r"\boxed{\frac12}", r"\boxed{1/2}")
    assert case.verify(key, votes()) == 1
    assert case.answer() == (r"\boxed{0.5}", 0.6, False, 5)
    said = case.scene.rows("SELECT verdict, reward, route, verifier FROM verdicts ORDER BY number")
    half = ("grouped", None, "with sample 1", "consensus")
    assert said == [
        ("grouped", None, "with sample 0", "consensus"),
        half,
        ("wrong_answer", 0.0, "empty", "consensus"),
        half,
        half,
    ]


def test_a_close_vote_leaves_a_query_without_a_reference_open(database: Database) -> None:
    close = Case(database, reference=None, policy="sequential")
    key = close.draw(r"\boxed{1}", r"\boxed{2}", r"\boxed{1}")
    assert close.verify(key, votes()) == 0
    assert close.scene.one("SELECT state, drawn FROM queries") == ("open", 3)
    assert close.answer() == (r"\boxed{1}", pytest.approx(2 / 3), False, 3)


def test_a_clear_lead_ends_a_query_without_a_reference(database: Database) -> None:
    case = Case(database, reference=None, policy="sequential")
    assert case.verify(case.draw(*[r"\boxed{1}"] * 4), votes()) == 1
    assert case.answer() == (r"\boxed{1}", 1.0, False, 4)


def test_a_success_of_a_source_that_errs_often_does_not_end_a_query(database: Database) -> None:
    often = {"code": rates(100, 80, 0, 120)}
    doubted = Case(database, policy="sequential")
    assert doubted.verify(doubted.draw("right", "wrong", "wrong"), Says("code", "stdin"), errs=often) == 0
    assert doubted.scene.one("SELECT state FROM queries") == "open"
    assert doubted.answer() == ("right", 1.0, True, 3)


def test_a_query_at_its_maximum_ends_however_little_its_success_is_trusted(database: Database) -> None:
    often = {"code": rates(100, 80, 0, 120)}
    case = Case(database, policy="sequential", b_max=3)
    assert case.verify(case.draw("right", "wrong", "wrong"), Says("code", "stdin"), errs=often) == 1
    assert case.answer() == ("right", 1.0, True, 3)


def test_audits_are_on_the_books_with_what_either_said_and_give_both_rates(database: Database) -> None:
    case = Case(database)
    second = Says(route="judge")
    second.verify = lambda drawn: [  # type: ignore[method-assign]  # it accepts everything
        second._verdict(Sample(s.query_id, s.number, None, "right", 1, 1, "stop", 0.0)) for _, s in drawn
    ]
    assert case.verify(case.draw("right", "wrong", "wrong"), Says(), Auditor(second, 1.0)) == 1
    found = case.scene.rows("SELECT number, source, accepted, auditor, confirmed FROM audits ORDER BY number")
    assert found == [
        (0, "math", True, "math:judge", True),
        (1, "math", False, "math:judge", True),
        (2, "math", False, "math:judge", True),
    ]
    known = PostgresAudits(database).rates()
    assert known["math:judge", "math"] == rates(both=1, accepted_alone=2, other_alone=0, neither=0)
    assert known["math", "math:judge"] == rates(both=1, accepted_alone=0, other_alone=2, neither=0)


@pytest.mark.parametrize("auditor", [Broken(), Says()])
def test_an_auditor_that_breaks_audits_nothing_and_harms_no_answer(
    database: Database, auditor: Verifier
) -> None:
    class Deaf(Says):
        def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
            return [not_verified(sample, "deaf") for _, sample in drawn]

    case = Case(database)
    chosen = auditor if isinstance(auditor, Broken) else Deaf()
    assert case.verify(case.draw("right"), Says(), Auditor(chosen, 1.0)) == 1
    assert case.scene.one("SELECT count(*) FROM audits") == 0


def test_what_a_judge_said_and_what_nobody_said_is_not_audited(database: Database) -> None:
    case, auditor = Case(database), Says()
    assert case.verify(case.draw("right"), Says(route="judge"), Auditor(auditor, 1.0)) == 1
    broken = Case(database, id="broken")
    assert broken.verify(broken.draw("broken"), Says(), Auditor(auditor, 1.0)) == 0
    assert auditor.asked.total() == 0


class Away:
    """A verifier that nobody can reach."""

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        raise VerifierAwayError("nobody is there")


def test_where_nobody_can_verify_a_query_waits_and_is_not_charged(database: Database) -> None:
    case = Case(database)
    key = case.draw("right")
    for _ in range(7):
        assert case.verify(key, DomainVerifier({"math": Away()})) == 0
        assert case.scene.one("SELECT stage, state, failures FROM allocations") == ("verify", "ready", 0)
    assert case.scene.one("SELECT count(*) FROM verdicts") == 0
    assert case.verify(key, Says()) == 1


def test_who_is_told_to_stop_hands_back_what_is_not_begun(database: Database) -> None:
    case = Case(database)
    key = case.draw("right")
    stopping = Event()
    stopping.set()
    says = Says()
    assert verify([key], case.scene.verifier(), says, NOBODY, {}, stopping) == 0
    assert case.scene.one("SELECT stage, state, failures FROM allocations") == ("verify", "ready", 0)
    assert says.asked.total() == 0


class Slow(Says):
    """Is told to stop while it verifies."""

    def __init__(self, stopping: Event) -> None:
        super().__init__("code", "stdin")
        self.stopping = stopping

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        self.stopping.set()
        return super().verify(drawn)


def test_a_query_of_code_is_answered_before_the_next_one_is_run(database: Database) -> None:
    scene, stopping = Scene(database), Event()
    tests = {"style": "stdin", "tests": [["", "1"]]}
    scene.add(*(query(name, domain="code", reference=tests) for name in ("first", "second")))
    ids = scene.grant(1, 1)
    sampler = scene.sampler()
    claims = sampler.claim(ids)
    drawn = [Sample(claim.query_id, 0, 0, "right", 1, 1, "stop", 0.1) for claim in claims]
    sampler.record(claims, SAMPLING, drawn, claims)
    assert verify(ids, scene.verifier(), Slow(stopping), NOBODY, {}, stopping) == 1
    assert list(scene.outcomes().values()).count("answered") == 1
    assert scene.one("SELECT stage, failures FROM allocations WHERE state = 'ready'") == ("verify", 0)


class Mixed(Says):
    """The judge passes the first sample, a rule a later one."""

    def _verdict(self, sample: Sample) -> Verdict:
        self.route = "judge" if sample.number == 0 else "number"
        return super()._verdict(sample)


def test_of_equal_samples_the_one_that_is_trusted_most_is_the_answer(database: Database) -> None:
    case = Case(database)
    key = case.draw("right", "wrong", "wrong", "wrong", "right")
    assert case.verify(key, Mixed()) == 1
    assert case.scene.one("SELECT sample_number FROM answers") == 4


def test_an_auditor_that_was_replaced_counts_no_more(database: Database) -> None:
    case, second = Case(database), Says(route="judge")
    assert case.verify(case.draw("right", "wrong"), Says(), Auditor(second, 1.0)) == 1
    case.scene.rows(
        "UPDATE audits SET auditor_version = 'old', created_at = now() - interval '1 day' RETURNING 1"
    )
    again = Case(database, id="again")
    assert again.verify(again.draw("wrong"), Says(), Auditor(second, 1.0)) == 1
    assert PostgresAudits(database).rates()["math", "math:judge"] == rates(0, 0, 0, 1)
