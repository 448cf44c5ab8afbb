"""Which program a response stands for."""

import pytest

from adaqueue.adapters import code_program
from adaqueue.core.query import Query

PROMPT = 'def double(x):\n    """Twice x."""\n'
REFERENCE = {"style": "assert", "entry": "double", "check": "def check(candidate):\n    pass\n"}


@pytest.mark.parametrize(
    ("response", "kept"),
    [
        ("    return 2 * x\n", "    return 2 * x\n"),
        ("    return 2 * x\n\nprint(double(1))\n", "    return 2 * x\n\n"),
        ("    y = x\n\n    return y + x", "    y = x\n\n    return y + x"),
        ("    y = x\n \t\n    return y + x", "    y = x\n \t\n    return y + x"),
        ("import math\n    return 2 * x\nprint()", "import math\n    return 2 * x\n"),
        ("    return 2 * x\n# a comment\n    y = 1\n", "    return 2 * x\n"),
        ("", ""),
    ],
)
def test_a_completion_ends_at_the_first_unindented_line_after_its_first(response: str, kept: str) -> None:
    assert code_program.completion(response) == kept


def test_the_last_fenced_block_is_the_program() -> None:
    response = "First:\n```python\nx = 1\n```\nBetter:\n```py\nx = 2\n```\nDone."
    assert code_program.programs(PROMPT, response) == ("x = 2\n",)


def test_a_fence_that_is_never_closed_reaches_to_the_end() -> None:
    assert code_program.programs(PROMPT, "~~~\nx = 1\ny = 2") == ("x = 1\ny = 2",)


def test_a_million_backticks_are_no_fence_and_take_no_hours() -> None:
    assert code_program.programs("", "`" * 1_000_000) == ("`" * 1_000_000,)


def test_a_response_without_fence_completes_the_prompt_or_is_a_program_itself() -> None:
    response = "    return 2 * x\nprint()"
    assert code_program.programs(PROMPT, response) == (PROMPT + "    return 2 * x\n", response)


def test_without_a_prompt_the_response_is_the_program() -> None:
    assert code_program.programs("", "x = 1\ny = 2\n") == ("x = 1\ny = 2\n",)


def test_a_completion_continues_the_last_message_of_the_user() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": PROMPT},
    ]
    assert code_program.asked(Query(domain="code", prompt=messages, reference=REFERENCE)) == PROMPT


def test_a_check_may_rely_on_the_code_in_a_prompt() -> None:
    assert code_program.definitions(PROMPT) == PROMPT
    assert code_program.definitions(f"Complete this:\n```python\n{PROMPT}```\nThanks.") == PROMPT
