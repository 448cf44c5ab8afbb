"""Queries on their way from the client into the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from adaqueue.core.query import Query


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies in the inbox, not yet read.

    Attributes:
        key: the inbox's own name for it.
        payload: JSON text, as the producer wrote it.
        deliveries: how often it was given to a consumer, this time included.
    """

    key: str
    payload: str
    deliveries: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A query on its way from the inbox into the ledger.

    Attributes:
        id: internal key, made by the client.
        run_id: the run that it belongs to.
        query: the query; its id is set.
    """

    id: UUID
    run_id: UUID
    query: Query

    def to_json(self) -> str:
        """Returns the arrival as JSON text; `from_json` reads it back."""
        data = {"id": str(self.id), "run_id": str(self.run_id), "query": self.query.to_json()}
        return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Arrival:
        """Returns the arrival that `to_json` wrote.

        Raises:
            BadQueryError: the query does not pass the checks at the door.
            ValueError, KeyError, TypeError: it is no such text at all.
        """
        data = json.loads(text)
        return cls(UUID(data["id"]), UUID(data["run_id"]), Query.from_json(data["query"]))


@dataclass(frozen=True, slots=True)
class Refusal:
    """An arrival that cannot become a query of the ledger.

    Attributes:
        payload: what arrived, as JSON text where it is.
        reason: why not, in words.
        arrival: the arrival, where it could be read.
    """

    payload: str
    reason: str
    arrival: Arrival | None = None
