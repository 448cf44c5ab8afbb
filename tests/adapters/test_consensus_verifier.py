"""Proves that only marked answers vote, and that comparing them costs no more than a bound."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from adaqueue.adapters.consensus_verifier import MAX_SYMBOLIC, SLOW, ConsensusVerifier
from adaqueue.adapters.math_check import MathChecker
from adaqueue.core.query import Query
from adaqueue.core.records import Sample

QUERY = Query(domain="math", prompt="How many?")


class Counting(MathChecker):
    """Says that no two answers are proven equal by algebra, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__(None)
        self.asked = 0

    def same(self, first: str, second: str) -> bool:
        self.asked += 1
        return False


def routes(verifier: ConsensusVerifier, *texts: str, query: UUID | None = None) -> list[str]:
    key = query or uuid4()
    samples = [Sample(key, number, None, text, None, None, "stop", 0.0) for number, text in enumerate(texts)]
    return [verdict.route for verdict in verifier.verify([(QUERY, sample) for sample in samples])]


@pytest.mark.parametrize(
    "text",
    [
        "I don't know",
        "I am sorry, I cannot help with that.",
        "Let me think step by step about this",
        "As an AI, step 1",
        "none",
        "...",
        r"\boxed{}",
        "",
    ],
)
def test_refusals_are_no_votes_however_many_agree(text: str) -> None:
    verifier = ConsensusVerifier(MathChecker(None))
    assert routes(verifier, *[text] * 4, r"\boxed{7}") == ["empty"] * 4 + ["with sample 4"]


def test_boxes_claims_and_lone_expressions_vote() -> None:
    verifier = ConsensusVerifier(MathChecker(None))
    texts = (r"\boxed{7}", "#### 7", "The answer is 7.", "7", "x = 7", "8")
    assert routes(verifier, *texts) == ["with sample 0"] * 5 + ["with sample 5"]


def test_what_was_compared_is_not_compared_again_when_more_is_drawn() -> None:
    checker = Counting()
    verifier = ConsensusVerifier(checker)
    texts = [rf"\boxed{{x+{number}a}}" for number in range(4)]
    assert len(set(routes(verifier, *texts))) == 4
    assert checker.asked == 6
    routes(verifier, *texts, *texts)
    assert checker.asked == 6
    routes(verifier, *texts, r"\boxed{z}")
    assert checker.asked == 10


def test_the_comparisons_of_a_query_that_take_algebra_are_bounded() -> None:
    checker = Counting()
    texts = [rf"\boxed{{x^{{{number}}}+a}}" for number in range(30)]
    said = routes(ConsensusVerifier(checker), *texts, *texts)
    assert checker.asked == MAX_SYMBOLIC
    assert said[:30] == said[30:]


def test_sums_and_integrals_use_up_the_bound_sooner() -> None:
    checker = Counting()
    texts = [rf"\boxed{{\sum_{{n=1}}^{{999}} n^{{-{number}}}}}" for number in range(2, 14)]
    routes(ConsensusVerifier(checker), *texts)
    assert checker.asked == MAX_SYMBOLIC // SLOW
