"""Proves that without a box an answer passes where the response names it beyond doubt, and nowhere else."""

from __future__ import annotations

import pytest

from adaqueue.adapters.math_answer import answer_to_judge, final_answer
from adaqueue.adapters.math_check import MathChecker

RULES = MathChecker(None)


@pytest.mark.parametrize(
    "response",
    [
        "The answer is 7",
        "#### 7",
        "3 + 4 = 7\n#### 7\n",
        "7.",
        "x = 7",
        "3 + 4 = 7",
        "**Answer:** 7",
        "Final Answer: 7",
        r"the answer is \(7\).",
        "The answer is $$7$$",
        "Thus, the answer is 7 apples",
        "Since 3 + 4 = 7, the answer is 7.",
        "So the final answer is: **$7$**. I hope it is correct.",
        "The answer is 7. So the answer is 7.",
        "**Answer:** The answer is 7.",
    ],
)
def test_an_answer_that_is_named_passes(response: str) -> None:
    assert RULES.check("7", response).equal


@pytest.mark.parametrize(
    "response",
    [
        "the answer isn't 7",
        "The answer is not 7",
        "The answer is definitely not going to be 7",
        "My answer is wrong: 7",
        "A common but incorrect final answer is 7",
        "not answer: 7",
        "I doubt the answer is 7",
        "They said the answer is 7.",
        "Suppose the answer is 7.",
        "If x = 3, the answer is 7",
        "Half the answer is 7",
        "First answer: 7",
        "So we need 7 more.",
        "There are 8 of them.\nStep 7",
        "Thus x = 8\n\nVerify: 8 - 1 = 7",
        "we have 3 + 4 = 7",
        "In the end it takes 7 hours to fill",
        "3 + 2 = 5\n5 + 2 = 7",
        "After simplifying:\n$7$",
        "The answer is 7?",
        "Is the answer: 7?",
        "The answer is 7. Wait, no.",
        "The answer is 7. But that is wrong",
        "The answer is 7, not 8",
        "The answer is 7\nStep 2: compute",
        "The answer is 7\nand now we go on with the remaining cases of the problem as they were given",
        "The answer is 8. The answer is 7",
        "#### 9\n#### 7",
        "The answer is 7 times the number",
        "The answer is unknown. Let me guess 7",
        "#### 8\nwait 7",
        "#### 7\nwait, 8",
        "#### 7\nWe now compute",
        "#### 8\n#### 7",
        "#### 7 or 8",
        "#### Step 7",
        "Step 7",
        "No. 7",
    ],
)
def test_anything_else_is_left_to_a_judge_who_sees_all_of_it(response: str) -> None:
    verdict = RULES.check("7", response)
    assert (verdict.equal, verdict.route, verdict.answer) == (None, "unmarked", response)


@pytest.mark.parametrize(
    ("reference", "response"),
    [("12", "24/2 = 12. Now multiply by the remaining"), ("2", "The equation has degree 2"), ("7", "7 8")],
)
def test_a_response_that_was_cut_off_does_not_pass(reference: str, response: str) -> None:
    assert RULES.check(reference, response).equal is None


def test_a_judge_sees_the_box_or_the_end() -> None:
    assert answer_to_judge(r"It is \boxed{7}, surely.") == "7"
    assert answer_to_judge("I do not know") == "I do not know"
    assert answer_to_judge("x" * 3_000 + " so the answer is 7").endswith("x so the answer is 7")
    assert len(answer_to_judge("so " * 3_000)) == 2_000
    assert final_answer("so we see that it is 7") == ""
