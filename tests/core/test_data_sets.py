"""Proves what becomes of published problems and conversations, and what filters leave out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaqueue.core.importers import DATA_SETS
from adaqueue.core.importers.math_sets import is_multiple_choice, last_boxed
from adaqueue.core.importers.tasks import check_template
from adaqueue.core.query import Query
from adaqueue.errors import BadQueryError, SettingsError
from tests.core.test_importers import APPS, HUMANEVAL, MBPP, TACO

NUMINA: dict[str, Any] = {
    "source": "olympiads",
    "problem": "Find $x$ with $2x = 3$.",
    "solution": r"First \boxed{1} is no answer. So $x = \boxed{\frac{3}{2}}$.",
    "messages": [{"content": "Find", "role": "user"}, {"content": "So", "role": "assistant"}],
}
MATH: dict[str, Any] = {
    "problem": "Add 2 and 3.",
    "level": "Level 5",
    "type": "Algebra",
    "solution": r"It is $\boxed{5}$.",
}
GSM8K: dict[str, Any] = {"question": "How many?", "answer": "It is <<500*2=1000>>1000.\n#### 1,000"}
LMSYS: dict[str, Any] = {
    "conversation_id": "33f01939",
    "model": "vicuna-13b",
    "conversation": [
        {"content": "Hello", "role": "user"},
        {"content": "Hi", "role": "assistant"},
        {"content": "Who are you?", "role": "user"},
        {"content": "A model", "role": "assistant"},
    ],
    "turn": 2,
    "language": "English",
    "openai_moderation": [{"categories": {"hate": False}, "flagged": False}],
    "redacted": False,
}
HH: dict[str, Any] = {
    "chosen": "\n\nHuman: Hello\n\nAssistant: Hi\n\nHuman: Who are you?\n\nAssistant: A model",
    "rejected": "\n\nHuman: Hello\n\nAssistant: Hi\n\nHuman: Who are you?\n\nAssistant: Nobody",
}
GOOD = {"numina-cot": NUMINA, "math": MATH, "gsm8k": GSM8K, "lmsys-chat-1m": LMSYS, "hh-harmless": HH}


def row(name: str, record: dict[str, Any], template: str | None = None) -> dict[str, Any]:
    return DATA_SETS[name].importer(record, 5, template)


@pytest.mark.parametrize("name", GOOD)
def test_a_record_that_no_filter_leaves_out_becomes_a_query(name: str) -> None:
    assert DATA_SETS[name].left_out(GOOD[name]) == ""
    found = row(name, GOOD[name])
    query = Query.from_row(found)
    assert query.reference == found.get("reference")
    assert query.metadata["source"] == name


def test_the_last_boxed_answer_is_the_reference_and_what_is_known_is_metadata() -> None:
    found = row("numina-cot", NUMINA)
    assert found["reference"] == r"\frac{3}{2}"
    assert found["metadata"] == {"source": "numina-cot", "origin": "olympiads"}
    assert row("math", MATH)["metadata"] == {"source": "math", "level": "Level 5", "type": "Algebra"}


def test_gsm8k_s_answer_follows_its_mark_without_commas_of_thousands() -> None:
    assert row("gsm8k", GSM8K)["reference"] == "1000"
    with pytest.raises(BadQueryError, match="after ####"):
        row("gsm8k", {**GSM8K, "answer": "1000"})


def test_the_same_problem_has_the_same_id_wherever_it_stands_and_another_one_another() -> None:
    ids = {row(name, record)["id"] for name, record in GOOD.items()}
    assert len(ids) == len(GOOD)
    assert row("math", MATH)["id"] == DATA_SETS["math"].importer(MATH, 77)["id"]
    assert row("math", {**MATH, "solution": r"\boxed{6}"})["id"] != row("math", MATH)["id"]


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"\boxed{5}", "5"),
        (r"\boxed{\text{a } \{1, 2\}}.", r"\text{a } \{1, 2\}"),
        (r"\boxed{1} or \fbox{2}", "2"),
        (r"$\boxed 7$.", "7"),
        (r"\boxed{never closed", ""),
        (r"\boxed", ""),
        ("no box", ""),
    ],
)
def test_boxes_are_read_to_their_own_brace(solution: str, answer: str) -> None:
    assert last_boxed(solution) == answer


@pytest.mark.parametrize(
    ("problem", "answer", "is_choice"),
    [
        (r"Which? $\textbf{(A)}\ 6\qquad\textbf{(B)}\ 8\qquad\textbf{(C)}\ 9$", "8", True),
        ("Which?\nA: $-1$\nB: $2$\nC: $3$\nD: $4$", "2", True),
        ("Which?\nA. 1\nB. 2\nC. 3", "AC", True),
        ("Which? ( A ) 1 ( B ) 2 ( C ) 3", "2", True),
        ("Which one?", r"\textbf{(C)}", True),
        ("Which one?", "D.", True),
        ("Points A, B, C lie on a line. Find f(A) + f(B) + f(C).", "6", False),
        ("Find P(A), where P(B) = 1 and P(C) = 2.", "x", False),
        ("Find the side.", "AB", False),
    ],
)
def test_multiple_choice_is_told_by_its_options_or_its_answer(
    problem: str, answer: str, is_choice: bool
) -> None:
    assert is_multiple_choice(problem, answer) is is_choice


@pytest.mark.parametrize("name", ["lmsys-chat-1m", "hh-harmless"])
def test_a_conversation_is_asked_up_to_the_last_turn_of_its_user(name: str) -> None:
    assert row(name, GOOD[name])["prompt"] == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "Who are you?"},
    ]
    assert "reference" not in row(name, GOOD[name])


@pytest.mark.parametrize(
    ("name", "record", "reason"),
    [
        ("numina-cot", {**NUMINA, "solution": r"So \boxed{B}"}, "multiple choice"),
        ("numina-cot", {**NUMINA, "solution": "As was to be shown."}, "no boxed answer"),
        ("math", {**MATH, "solution": "As was to be shown."}, "no boxed answer"),
        ("taco", {**TACO, "source": "geeksforgeeks"}, "from geeksforgeeks"),
        ("taco", {**TACO, "source": "aizu"}, "from aizu"),
        ("taco", {**TACO, "input_output": '{"inputs": [], "outputs": []}'}, "without tests"),
        ("taco", TACO, ""),
        ("apps", {**APPS, "input_output": ""}, "without tests"),
        ("lmsys-chat-1m", {**LMSYS, "language": "German"}, "not English"),
        ("lmsys-chat-1m", {**LMSYS, "redacted": True}, "redacted"),
        ("lmsys-chat-1m", {**LMSYS, "turn": 10}, "more than 9 turns"),
        ("lmsys-chat-1m", {**LMSYS, "turn": 9}, ""),
        ("lmsys-chat-1m", {**LMSYS, "conversation": [{"role": "user", "content": " "}]}, "an empty message"),
        ("hh-harmless", {"chosen": "\n\nHuman: \n\nAssistant: Hi"}, "an empty message"),
        (
            "hh-harmless",
            {"chosen": "\n\nHuman: a\n\nHuman: b\n\nAssistant: c"},
            "two messages of one speaker in a row",
        ),
    ],
)
def test_a_filter_says_why_it_leaves_a_record_out(name: str, record: dict[str, Any], reason: str) -> None:
    assert DATA_SETS[name].left_out(record) == reason


def test_a_template_of_ones_own_is_filled_and_latex_keeps_its_braces() -> None:
    template = r"Q: {question} Use \boxed{} and {x}."
    assert row("gsm8k", GSM8K, template)["prompt"] == r"Q: How many? Use \boxed{} and {x}."
    assert row("taco", TACO, "{starter}|{entry}|{question}")["prompt"].endswith("|add|Add.")
    assert row("mbpp", MBPP, "{question}\n{tests}")["prompt"].endswith('\nassert add("a\\n", "b") == "a\\nb"')
    assert row("humaneval", HUMANEVAL, "Complete:\n{question}")["prompt"].startswith("Complete:\ndef add")


def test_a_template_needs_a_place_for_the_question_and_no_conversation_takes_one() -> None:
    with pytest.raises(SettingsError, match=r"write \{question\}"):
        check_template("Answer!")
    for name in ("lmsys-chat-1m", "hh-harmless"):
        with pytest.raises(SettingsError, match="leave the template out"):
            row(name, GOOD[name], "{question}")


def test_the_page_of_sets_says_what_the_code_does() -> None:
    page = (Path(__file__).parents[2] / "docs/data-sets.md").read_text().splitlines()
    for name, known in DATA_SETS.items():
        rows = [
            line for line in page if line.startswith("| `") and f"`{name}`" in line and known.hub.name in line
        ]
        assert len(rows) == 1, name
        assert all(words in rows[0] for words in (known.hub.split, known.filter)), name


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = leaves | st.lists(leaves, max_size=2) | st.dictionaries(st.text(max_size=3), leaves, max_size=2)


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_a_field_of_any_other_kind_is_left_out_read_or_refused(name: str, data: st.DataObject) -> None:
    changed = data.draw(st.sampled_from(sorted(GOOD[name])))
    record = {**GOOD[name], changed: data.draw(values)}
    with suppress(BadQueryError):
        if not DATA_SETS[name].left_out(record):
            Query.from_row(row(name, record))
