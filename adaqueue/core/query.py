"""A query as its producer gives it, checked field by field at the door."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adaqueue.core.code_reference import code_reference
from adaqueue.core.plain import check_finite, check_text, plain_object, whole
from adaqueue.core.recording import ROW_FIELDS as RECORDING_FIELDS
from adaqueue.core.recording import Recording
from adaqueue.errors import BadQueryError, NotYetError

MAX_ID_BYTES = 200
MAX_PROMPT_CHARACTERS = 200_000
MAX_ROW_BYTES = 8 * 2**20
MAX_BUDGET = 1_024

DOMAINS = ("math", "code", "chat")
LATER_FIELDS = ("priority",)
FIELDS = (
    "id",
    "domain",
    "prompt",
    "reference",
    "min_budget",
    "max_budget",
    "metadata",
    "tenant",
    "deadline_seconds",
)
DEFAULT_TENANT = "default"
MAX_DEADLINE_SECONDS = 366 * 86_400.0

Message = Mapping[str, str]
Prompt = str | Sequence[Message]


@dataclass(frozen=True, slots=True)
class Query:
    """One question for the language model, with what is needed to verify its answer.

    Attributes:
        domain: `math`, `code` or `chat`.
        prompt: text, or messages of `{"role", "content"}`; at most 200,000 characters together.
        reference: math: the answer, as text; absent, its samples vote. code: its tests, see `code_reference`;
            absent only where every recorded sample has a reward. chat: always absent, a reward model scores
            its samples. Without it, either every recorded sample has a reward or none has.
        id: any text of 1 to 200 bytes, unique within a run; made by the client if absent.
        min_budget: samples that the query gets at least, 0 to 1,024.
        max_budget: samples that the query gets at most, 0 to 1,024; absent: the system's `b_max`.
        metadata: what the producer wants to keep with the query; a JSON object.
        recording: samples that came with the query, for the replay engine.
        tenant: whose account of the run pays, any text of 1 to 200 bytes; absent: `default`. Ids are unique
            within a run and tenant.
        deadline_seconds: after its arrival in the ledger it ends with the best of what was drawn, or
            expires if nothing was; above 0, at most a year. Given again with another it keeps the first.
        priority: not built yet.

    Raises:
        BadQueryError: names the field, its value and the remedy.
        NotYetError: the domain's or field's effect is not built yet.
    """

    domain: str
    prompt: Prompt
    reference: str | Mapping[str, Any] | None = None
    id: str | None = None
    min_budget: int = 0
    max_budget: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    recording: Recording | None = None
    tenant: str | None = None
    deadline_seconds: float | None = None
    priority: None = None

    def __post_init__(self) -> None:
        for name in LATER_FIELDS:
            _check_later(name, getattr(self, name))
        _check_domain(self.domain)
        _check_name("id", self.id)
        _check_prompt(self.prompt)
        if not isinstance(self.prompt, str):
            object.__setattr__(self, "prompt", tuple(dict(message) for message in self.prompt))
        if not isinstance(self.recording, Recording | None):
            raise BadQueryError("recording", self.recording, "give a Recording")
        object.__setattr__(self, "reference", _reference(self.domain, self.reference, self.recording))
        _check_limits(self.min_budget, self.max_budget)
        _check_name("tenant", self.tenant)
        _check_deadline(self.deadline_seconds)
        object.__setattr__(self, "metadata", plain_object("metadata", self.metadata))

    @classmethod
    def from_row(cls, row: object) -> Query:
        """Returns the query that one JSON object describes, recorded outcomes included.

        Raises:
            BadQueryError: the row is no object, a field is unknown, missing or malformed.
        """
        if not isinstance(row, dict):
            raise BadQueryError("row", row, 'give a JSON object such as {"domain": "math", "prompt": "..."}')
        _check_fields(row)
        given = {name: row[name] for name in FIELDS if row.get(name) is not None}
        return cls(**given, recording=Recording.from_row(row))

    def to_json(self) -> dict[str, Any]:
        """Returns the query as plain data for the wire; `from_json` reads it back."""
        recording = self.recording.to_json() if self.recording else None
        return {**{name: getattr(self, name) for name in FIELDS}, "recording": recording}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Query:
        """Returns the query that `to_json` wrote, checked again."""
        recording = Recording.from_json(data["recording"]) if data["recording"] else None
        return cls(**{name: data[name] for name in FIELDS}, recording=recording)

    @property
    def account(self) -> str:
        """Tenant whose account pays."""
        return DEFAULT_TENANT if self.tenant is None else self.tenant

    @property
    def messages(self) -> tuple[Message, ...]:
        """The prompt as chat messages; plain text is one user message."""
        if isinstance(self.prompt, str):
            return ({"role": "user", "content": self.prompt},)
        return tuple(self.prompt)

    def content_hash(self) -> str:
        """Returns the SHA-256 of domain, prompt, reference, limits, account: what makes queries the same."""
        content = [self.domain, self.prompt, self.reference, self.min_budget, self.max_budget]
        content += [] if self.account == DEFAULT_TENANT else [self.account]
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _check_fields(row: Mapping[str, object]) -> None:
    for name in row:
        if name in LATER_FIELDS:
            _check_later(name, row[name])
        elif name not in FIELDS and name not in RECORDING_FIELDS:
            raise BadQueryError(name, row[name], f"unknown field; known are {', '.join(FIELDS)}")
    for name in ("domain", "prompt"):
        if row.get(name) is None:
            raise BadQueryError(name, None, "the field is required")


def _check_later(name: str, value: object) -> None:
    if value is not None:
        raise NotYetError(name, value, "not yet: leave the field out")


def _check_domain(domain: object) -> None:
    if domain not in DOMAINS:
        raise BadQueryError("domain", domain, f"unknown domain; known are {', '.join(DOMAINS)}")


def _check_name(field_name: str, name: object) -> None:
    if name is None:
        return
    check_text(field_name, name)
    if not 0 < len(str(name).encode()) <= MAX_ID_BYTES:
        raise BadQueryError(field_name, name, f"give 1 to {MAX_ID_BYTES} bytes of text")


def _check_deadline(seconds: object) -> None:
    if seconds is None:
        return
    check_finite("deadline_seconds", seconds)
    if not 0 < float(str(seconds)) <= MAX_DEADLINE_SECONDS:
        raise BadQueryError("deadline_seconds", seconds, "give more than 0 and at most a year of seconds")


def prompt_text(prompt: str | Sequence[Message]) -> str:
    """Returns a prompt as plain text, messages joined by line breaks."""
    return prompt if isinstance(prompt, str) else "\n".join(message["content"] for message in prompt)


def _check_prompt(prompt: object) -> None:
    if isinstance(prompt, str):
        _check_prompt_text("prompt", prompt)
        _check_prompt_length(prompt, len(prompt))
        return
    if not isinstance(prompt, list | tuple) or not prompt:
        raise BadQueryError("prompt", prompt, "give text, or a list of {role, content} messages")
    for number, message in enumerate(prompt):
        name = f"prompt[{number}]"
        if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
            raise BadQueryError(name, message, "give exactly the keys role and content")
        if message["role"] not in ("system", "user", "assistant"):
            raise BadQueryError(f"{name}.role", message["role"], "give system, user or assistant")
        _check_prompt_text(f"{name}.content", message["content"])
    _check_prompt_length(prompt, sum(len(message["content"]) for message in prompt))


def _check_prompt_text(name: str, text: object) -> None:
    check_text(name, text)
    if not str(text).strip():
        raise BadQueryError(name, text, "is empty: give the question")


def _check_prompt_length(prompt: object, characters: int) -> None:
    if characters > MAX_PROMPT_CHARACTERS:
        remedy = f"has {characters:,} characters; give at most {MAX_PROMPT_CHARACTERS:,}"
        raise BadQueryError("prompt", prompt, remedy)


def _reference(domain: str, reference: object, recording: Recording | None) -> str | Mapping[str, Any] | None:
    if domain == "chat" and reference is not None:
        raise BadQueryError("reference", reference, "a chat query has none: leave it out")
    if reference is None:
        _check_rewards(domain, recording)
        return None
    if domain == "code":
        return code_reference(reference)
    check_text("reference", reference)
    if not str(reference).strip():
        raise BadQueryError("reference", reference, "is empty: give the answer, as text")
    return str(reference)


def _check_rewards(domain: str, recording: Recording | None) -> None:
    """Of a query without a reference: its samples must have their rewards, or all need the same verifier."""
    if recording is not None and recording.all_rewarded:
        return
    if domain == "code":
        raise NotYetError("reference", None, "not yet: a code query needs its tests, to be verified")
    if recording is not None and any(sample.reward is not None for sample in recording.samples):
        remedy = "some recorded samples have a reward, others none: give each its reward, or none"
        raise BadQueryError("recording", None, remedy)


def _check_limits(minimum: object, maximum: object) -> None:
    least = whole("min_budget", minimum, 0, MAX_BUDGET)
    if maximum is not None and least > whole("max_budget", maximum, 0, MAX_BUDGET):
        raise BadQueryError("min_budget", least, f"is above max_budget, {maximum}")
