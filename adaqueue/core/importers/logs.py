"""Logs of evaluations that others ran, gathered query by query into recorded outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from adaqueue.errors import BadQueryError, SettingsError


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person chose of a log.

    Attributes:
        metric: whose value is the reward; None: the only one.
        filter: whose answers were scored; None: the only one.
        domain: of the queries; None: `code` for pass@1, `math` with a text to be met, else `chat`.
        model: who drew the samples; None: what the log says.
    """

    metric: str | None = None
    filter: str | None = None
    domain: str | None = None
    model: str | None = None


class OutcomeLog(Protocol):
    """Files of one evaluation, given record by record."""

    left_out: Counter[str]
    """Samples that say nothing, by reason."""

    def add(self, record: Mapping[str, Any], file: str) -> None:
        """Takes a record.

        Raises:
            BadQueryError: names the field that is wrong.
        """
        ...

    def rows(self) -> Iterator[dict[str, Any] | BadQueryError]:
        """Yields each query's row of recorded outcomes, or why it has none.

        Raises:
            SettingsError: the log has several metrics or filters, and none was chosen.
        """
        ...


def chosen(name: str, given: str | None, known: set[str]) -> str:
    """Returns the one that is meant; raises SettingsError, naming those that there are.

    Args:
        name: of the option.
        given: by the person.
        known: what the log has.
    """
    if given is None and len(known) == 1:
        return next(iter(known))
    if given not in known:
        there_are = ", ".join(sorted(known)) or "none"
        raise SettingsError(f"{name}: {given or 'not given'}: the log has {there_are}: choose one")
    return given


def outcome_row(
    row_id: str, prompt: object, target: str, asked: Asked, drawn: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a row of recorded outcomes.

    Args:
        row_id: of the query.
        prompt: text or messages.
        target: the text to be met, empty where there is none.
        asked: its domain wins over the guess.
        drawn: `samples`, or `n` and `successes`; perhaps `model`, `metadata` and `stopped`.
    """
    domain = asked.domain or ("math" if target else "chat")
    row = {"id": row_id, "domain": domain, "prompt": prompt}
    if domain == "math" and target:
        row["reference"] = target
    model = asked.model or drawn.get("model")
    return {**row, **({"model": model} if model else {}), **{k: v for k, v in drawn.items() if k != "model"}}
