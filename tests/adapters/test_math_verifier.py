"""Proves that math verdicts say who decided, a judge is asked once, and its breaking is no verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest

from adaqueue.adapters.math_check import MathChecker
from adaqueue.adapters.math_pool import MathPool
from adaqueue.adapters.math_verifier import MathVerifier
from adaqueue.core.query import Query
from adaqueue.core.records import Doubt, Sample, Verdict
from adaqueue.errors import VerifierError


class FakeJudge:
    """Says yes to what begins with Al."""

    name = "judge-1"
    revision = "abc"

    def __init__(self, *, breaks: bool = False) -> None:
        self.asked: list[list[Doubt]] = []
        self._breaks = breaks

    def equal(self, doubts: Sequence[Doubt]) -> list[bool]:
        self.asked.append(list(doubts))
        if self._breaks:
            raise VerifierError("the judge is out")
        return [doubt.answer.startswith(r"\text{Al") for doubt in doubts]


@pytest.fixture(scope="module")
def checker() -> Iterator[MathChecker]:
    checker = MathChecker(MathPool(1))
    yield checker
    checker.close()


def drawn(*pairs: tuple[str, str]) -> list[tuple[Query, Sample]]:
    """Samples of so many queries, each with a reference and an answer in a box."""
    made = []
    for number, (reference, answer) in enumerate(pairs):
        query = Query(domain="math", prompt=f"Who is {reference}?", reference=reference)
        text = rf"\boxed{{{answer}}}"
        made.append((query, Sample(uuid4(), number, None, text, None, None, "stop", 0.0)))
    return made


def told(verdicts: Sequence[Verdict]) -> list[tuple[str, float | None, str]]:
    return [(verdict.verdict, verdict.reward, verdict.route) for verdict in verdicts]


def test_rules_decide_what_they_can_and_the_judge_the_rest_in_one_batch(checker: MathChecker) -> None:
    judge = FakeJudge()
    samples = drawn(
        ("5", "5"),
        (r"\text{Alice}", r"\text{Al}"),
        ("x+1", "1+x"),
        (r"\text{Bob}", r"\text{Robert}"),
        ("5", "6"),
    )
    verdicts = MathVerifier(checker, judge).verify(samples)
    assert told(verdicts) == [
        ("passed", 1.0, "string"),
        ("passed", 1.0, "judge"),
        ("passed", 1.0, "symbolic"),
        ("wrong_answer", 0.0, "judge"),
        ("wrong_answer", 0.0, "number"),
    ]
    assert judge.asked == [
        [
            Doubt(r"Who is \text{Alice}?", r"\text{Alice}", r"\text{Al}"),
            Doubt(r"Who is \text{Bob}?", r"\text{Bob}", r"\text{Robert}"),
        ]
    ]
    assert [(v.query_id, v.number) for v in verdicts] == [(s.query_id, s.number) for _, s in samples]
    assert {verdict.verifier for verdict in verdicts} == {"math"}
    assert [verdict.version for verdict in verdicts] == ["2", "2, judge-1 abc", "2", "2, judge-1 abc", "2"]


def test_one_doubt_of_many_samples_is_asked_once(checker: MathChecker) -> None:
    judge = FakeJudge()
    samples = drawn(*[(r"\text{Alice}", r"\text{Al}")] * 5)
    assert told(MathVerifier(checker, judge).verify(samples)) == [("passed", 1.0, "judge")] * 5
    assert [len(batch) for batch in judge.asked] == [1]


def test_a_judge_is_not_asked_when_there_is_no_doubt(checker: MathChecker) -> None:
    judge = FakeJudge()
    MathVerifier(checker, judge).verify(drawn(("5", "5"), ("5", "6")))
    assert judge.asked == []


def test_without_a_judge_what_is_undecided_is_wrong_and_says_so(checker: MathChecker) -> None:
    verdicts = MathVerifier(checker).verify(drawn((r"\text{Alice}", r"\text{Al}")))
    assert told(verdicts) == [("wrong_answer", 0.0, "unjudged")]


def test_a_judge_that_breaks_leaves_its_samples_unverified_and_the_others_verdicts_stand(
    checker: MathChecker,
) -> None:
    samples = drawn(("5", "5"), (r"\text{Alice}", r"\text{Al}"))
    verdicts = MathVerifier(checker, FakeJudge(breaks=True)).verify(samples)
    assert told(verdicts) == [("passed", 1.0, "string"), ("not_verified", None, "the judge is out")]


def test_a_checker_that_breaks_leaves_what_it_could_not_check_unverified() -> None:
    pool = MathPool(1)
    pool.close()
    verdicts = MathVerifier(MathChecker(pool), FakeJudge()).verify(drawn(("5", "5"), ("x+1", "1+x")))
    assert told(verdicts) == [
        ("passed", 1.0, "string"),
        ("not_verified", None, "the pool of math workers is closed"),
    ]


def test_a_reference_without_an_answer_is_not_verified() -> None:
    (verdict,) = MathVerifier(MathChecker(None)).verify(drawn(("$$", "5")))
    assert verdict.verdict == "not_verified"


def test_in_the_papers_way_every_difference_in_text_goes_to_the_judge() -> None:
    judge = FakeJudge()
    checker = MathChecker(None, paper_exact=True)
    verdicts = MathVerifier(checker, judge).verify(drawn(("5", "5"), ("5", "5.0"), ("5", "6")))
    assert [verdict.route for verdict in verdicts] == ["string", "judge", "judge"]
    assert len(judge.asked[0]) == 2
