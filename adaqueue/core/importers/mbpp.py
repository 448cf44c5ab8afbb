"""MBPP, as in github.com/google-research/google-research/tree/master/mbpp: full and sanitized."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from adaqueue.core.importers.fields import metadata, text, text_or_none, texts
from adaqueue.core.importers.tasks import filled
from adaqueue.errors import BadQueryError

TEMPLATE = "{question}\n\nWrite the Python function `{entry}`. It has to pass:\n\n{tests}\n"


def query_row(record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
    """Returns the row of a record; see `Importer`. Challenge tests are left out, as in published figures."""
    task = text(record, "text" if "text" in record else "prompt")
    code, tests = text(record, "code"), texts(record, "test_list")
    entry = _entry(code, tests)
    setup = [*texts(record, "test_imports"), text_or_none(record, "test_setup_code")]
    shown = "\n".join(tests)
    return {
        "id": f"mbpp/{record['task_id']}" if "task_id" in record else f"mbpp/line-{number}",
        "domain": "code",
        "prompt": filled(template or TEMPLATE, question=task.strip(), entry=entry, tests=shown),
        "reference": {
            "style": "assert",
            "entry": entry,
            "check": _check("\n".join(line for line in setup if line.strip()), tests),
            "solution": code.replace("\r\n", "\n"),
        },
        "metadata": metadata(record, "mbpp"),
    }


def _entry(code: str, tests: list[str]) -> str:
    """Returns the first function that the tests call and the solution defines."""
    defined = {node.name for node in _tree("code", code).body if isinstance(node, ast.FunctionDef)}
    for test in tests:
        for name in _called(_tree("test_list", test)):
            if name in defined:
                return name
    raise BadQueryError("test_list", tests, "calls no function that the code defines")


def _called(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def _check(setup: str, tests: list[str]) -> str:
    statements = [ast.unparse(_tree("test_list", test)) for test in tests]
    body = textwrap.indent("\n".join(statements), "    ")
    return f"{setup}\n\n\ndef check(candidate):\n{body}\n".lstrip("\n")


def _tree(name: str, source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadQueryError(name, source, f"is no Python: {error}") from None
