"""Which program a response stands for."""

from __future__ import annotations

import re

from adaqueue.core.query import Query

_FENCE = re.compile(
    r"^ {0,3}(`{3,}+|~{3,}+)[^\n]*\n(.*?)(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)


def programs(prompt: str, response: str) -> tuple[str, ...]:
    """Returns what the response may stand for, best first; the first that is valid Python counts.

    A response with a fenced code block stands for the last one; any other completes the prompt, up to the
    first unindented line after its first line, or else is a whole program itself.

    Args:
        prompt: what the model was asked to complete; empty if there is none.
        response: what it wrote.
    """
    blocks = _FENCE.findall(response)
    if blocks:
        return (blocks[-1][1],)
    if not prompt:
        return (response,)
    return (prompt + completion(response), response)


def completion(response: str) -> str:
    """Returns the response up to the first unindented line after its first; a blank line is none."""
    first, *others = response.splitlines(keepends=True) or [""]
    kept = [first]
    for line in others:
        if line.strip() and line[0] not in " \t":
            break
        kept.append(line)
    return "".join(kept)


def asked(query: Query) -> str:
    """Returns the text that a completion continues: the query's last user message."""
    said = [message["content"] for message in query.messages if message["role"] == "user"]
    return said[-1] if said else ""


def definitions(prompt: str) -> str:
    """Returns the source in a prompt that a check may rely on: its last fenced code block, or all of it."""
    blocks = _FENCE.findall(prompt)
    return blocks[-1][1] if blocks else prompt
