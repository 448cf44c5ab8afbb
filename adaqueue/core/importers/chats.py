"""Conversations without a reference: LMSYS-Chat-1M and Anthropic's HH, as on huggingface.co."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from adaqueue.core.importers.fields import digest_id, metadata, text, text_or_none
from adaqueue.core.plain import whole
from adaqueue.errors import BadQueryError, SettingsError

MOST_TURNS = 9
EMPTY = "an empty message"
IN_A_ROW = "two messages of one speaker in a row"

_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def lmsys_row(record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
    """Returns the row of an LMSYS-Chat-1M record; see `Importer`. Prompt: all up to the last user's turn."""
    row_id = text_or_none(record, "conversation_id") or f"line-{number}"
    known = metadata(record, "lmsys-chat-1m", "language", "turn")
    known |= {"answered_by": record["model"]} if record.get("model") else {}
    return _row(f"lmsys-chat-1m/{row_id}", _asked(_lmsys_messages(record)), known, template)


def hh_row(record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
    """Returns the row of an HH record; see `Importer`. Prompt: `chosen` up to the last turn of Human."""
    prompt = _asked(_hh_messages(record))
    row_id = digest_id("hh-harmless", *(message["content"] for message in prompt))
    known = {**metadata(record, "hh-harmless"), "turn": len(prompt) // 2 + 1}
    return _row(row_id, prompt, known, template)


def lmsys_left_out(record: Mapping[str, Any]) -> str:
    """Returns why LMSYS-Chat's filter leaves a record out; empty if it does not."""
    if text(record, "language") != "English":
        return "not English"
    if record.get("redacted"):
        return "redacted"
    messages = _lmsys_messages(record)
    turns = record.get("turn", sum(message["role"] == "user" for message in messages))
    if whole("turn", turns, 0, 1_000_000) > MOST_TURNS:
        return f"more than {MOST_TURNS} turns"
    return _unfit(_asked(messages))


def hh_left_out(record: Mapping[str, Any]) -> str:
    """Returns why HH's filter leaves a record out; empty if it does not."""
    return _unfit(_asked(_hh_messages(record)))


def _unfit(messages: list[dict[str, str]]) -> str:
    if any(not message["content"].strip() for message in messages):
        return EMPTY
    roles = [message["role"] for message in messages]
    return IN_A_ROW if any(one == other for one, other in pairwise(roles)) else ""


def _asked(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Returns the messages up to the last that a user wrote."""
    last = max((place for place, message in enumerate(messages) if message["role"] == "user"), default=None)
    if last is None:
        raise BadQueryError("conversation", messages, "no user says anything in it")
    return messages[: last + 1]


def _lmsys_messages(record: Mapping[str, Any]) -> list[dict[str, str]]:
    conversation = record.get("conversation")
    if not isinstance(conversation, list) or not all(isinstance(item, Mapping) for item in conversation):
        raise BadQueryError("conversation", conversation, "the format has a list of messages there")
    return [{"role": text(item, "role"), "content": text(item, "content")} for item in conversation]


def _hh_messages(record: Mapping[str, Any]) -> list[dict[str, str]]:
    chosen = text(record, "chosen")
    before, *parts = _TURN.split(chosen)
    if before.strip() or not parts:
        raise BadQueryError("chosen", chosen, 'the format begins with "\\n\\nHuman:"')
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [{"role": _ROLES[speaker], "content": said.strip()} for speaker, said in pairs]


def _row(
    row_id: str, prompt: list[dict[str, str]], known: Mapping[str, Any], template: str | None
) -> dict[str, Any]:
    if template is not None:
        raise SettingsError("template: a conversation is kept as it is: leave the template out")
    return {"id": row_id, "domain": "chat", "prompt": prompt, "metadata": dict(known)}
