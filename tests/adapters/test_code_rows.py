"""Proves that a row which asks for nothing that can be done is refused by field, before it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adaqueue.adapters import code_rows
from adaqueue.adapters.code_rows import CodeRows
from adaqueue.adapters.code_verifier import CodeVerifier, Limits
from adaqueue.errors import BadQueryError, VerifierError
from adaqueue.settings import Settings

REFERENCE = {"style": "stdin", "tests": [["1\n", "1\n"]]}
GOOD: dict[str, Any] = {"code": "print(input())", "reference": REFERENCE}


@pytest.fixture
def rows(tmp_path: Path) -> CodeRows:
    """Nobody serves there: a row that is not refused ends in a VerifierError."""
    return CodeRows(CodeVerifier(tmp_path, Limits(), patience_seconds=0))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": None}, "code"),
        ({"response": "print(1)"}, "code"),
        ({"code": 5}, "code"),
        ({"code": None, "response": ["print(1)"]}, "response"),
        ({"reference": None}, "reference"),
        ({"reference": None, "prompt": "Say it."}, "reference"),
        ({"reference": {"style": "stdin", "tests": []}}, "reference.tests"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": [{"role": "user"}]}, "prompt[0]"),
        ({"limits": 5}, "limits"),
        ({"limits": {"seconds": 5}}, "limits.seconds"),
        ({"limits": {"cpu_seconds": 0}}, "limits.cpu_seconds"),
        ({"limits": {"cpu_seconds": 601}}, "limits.cpu_seconds"),
        ({"limits": {"cpu_seconds": "5"}}, "limits.cpu_seconds"),
        ({"limits": {"cpu_seconds": True}}, "limits.cpu_seconds"),
        ({"limits": {"memory_mebibytes": 0.5}}, "limits.memory_mebibytes"),
        ({"limits": {"memory_mebibytes": -1}}, "limits.memory_mebibytes"),
        ({"limits": {"memory_mebibytes": 65_537}}, "limits.memory_mebibytes"),
        ({"limits": {"output_bytes": None}}, "limits.output_bytes"),
        ({"limits": {"output_bytes": 2**30 + 1}}, "limits.output_bytes"),
    ],
)
def test_a_bad_row_is_refused_by_field(rows: CodeRows, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadQueryError) as caught:
        rows.verified({**GOOD, **changes})
    assert caught.value.field == field


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"prompt": ""},
        {"prompt": None, "limits": None},
        {"prompt": [{"role": "user", "content": "Say it."}]},
        {"limits": {"cpu_seconds": 600, "memory_mebibytes": 65_536, "output_bytes": 2**30}},
        {"limits": {"cpu_seconds": 0.5}},
        {"code": "\x00\ud800"},
        {"code": None, "response": ""},
        {"id": "mine", "verdict": "from before"},
    ],
)
def test_a_good_row_is_not_refused(rows: CodeRows, changes: dict[str, Any]) -> None:
    with pytest.raises(VerifierError):
        rows.verified({**GOOD, **changes})


def test_the_most_that_a_row_may_ask_for_is_what_the_settings_allow() -> None:
    fields = Settings.model_json_schema()["properties"]
    assert fields["test_cpu_seconds"]["maximum"] == code_rows.MOST_CPU_SECONDS
    assert fields["test_memory_mebibytes"]["maximum"] == code_rows.MOST_MEMORY_MEBIBYTES
    assert fields["test_output_bytes"]["maximum"] == code_rows.MOST_OUTPUT_BYTES
