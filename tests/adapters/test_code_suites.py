"""Correct programs of published sets pass."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adaqueue.adapters.code_verifier import CodeVerifier, Limits, Request
from tests.adapters.test_code_verifier import verifier_process


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeVerifier]:
    folder = tmp_path_factory.mktemp("v")
    with verifier_process(folder / "a.sock"):
        yield CodeVerifier(folder, Limits())


@pytest.mark.parametrize("name", ["humaneval_codegen16b", "mbpp_sanitized"])
def test_published_solutions_pass(verifier: CodeVerifier, shared: Path, name: str) -> None:
    with gzip.open(shared / "data" / f"{name}.jsonl.gz", "rt") as file:
        rows = [row for row in map(json.loads, file) if row["reference"].get("solution")]
    requests = [Request((row["reference"]["solution"],), row["reference"], row["prompt"]) for row in rows]
    reports = verifier.examine(requests)
    failed = {row["id"]: said for row, said in zip(rows, reports, strict=True) if said.verdict != "passed"}
    assert failed == {}
