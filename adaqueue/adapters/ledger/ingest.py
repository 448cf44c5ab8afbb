"""Ingest's side of the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import dead_letters, queries, runs
from adaqueue.core.records import Arrival, Refusal, Run


class PostgresIngestLedger:
    """Commits what arrives.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, arrivals: Sequence[Arrival]) -> tuple[list[UUID], list[Refusal]]:
        """Commits arrivals, see `IngestLedger`."""
        with self._database.begin() as conn:
            known = runs.by_id(conn, {arrival.run_id for arrival in arrivals})
            rows = [_row(a, known[a.run_id]) for a in arrivals if a.run_id in known]
            new = queries.insert_new(conn, rows) if rows else set()
            refused = [
                _refuse(a, f"run {a.run_id} does not exist") for a in arrivals if a.run_id not in known
            ]
            left = [a for a in arrivals if a.id not in new and a.run_id in known]
            refused += _conflicts(conn, left)
        waiting = [a.id for a in arrivals if a.id in new and known[a.run_id].has_features]
        return waiting, refused

    def bury(self, refusals: Sequence[Refusal]) -> None:
        """Commits dead letters, see `IngestLedger`."""
        with self._database.begin() as conn:
            dead_letters.bury(conn, [_dead_letter(refusal) for refusal in refusals])


def _row(arrival: Arrival, run: Run) -> dict[str, Any]:
    query = arrival.query
    recording = query.recording if run.engine == "replay" else None
    return {
        "id": arrival.id,
        "run_id": arrival.run_id,
        "external_id": query.id,
        "content": bytes.fromhex(query.content_hash()),
        "domain": query.domain,
        "prompt": query.prompt,
        "reference": query.reference,
        "metadata": dict(query.metadata),
        "min_budget": query.min_budget,
        "max_budget": query.max_budget,
        "recording": recording.to_json() if recording else None,
        "recorded_samples": len(recording.samples) if recording else None,
        "state": "features" if run.has_features else "window",
    }


def _conflicts(conn: Connection, arrivals: Sequence[Arrival]) -> list[Refusal]:
    """Returns those whose id the run has with other content; the same content twice is one query."""
    by_run: dict[UUID, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        by_run[arrival.run_id].append(arrival)
    refused = []
    for run_id, group in by_run.items():
        stored = queries.contents(conn, run_id, [str(arrival.query.id) for arrival in group])
        refused += [
            _refuse(arrival, f"id {arrival.query.id!r} was given before in this run with other content")
            for arrival in group
            if stored[str(arrival.query.id)].hex() != arrival.query.content_hash()
        ]
    return refused


def _refuse(arrival: Arrival, reason: str) -> Refusal:
    return Refusal(arrival.to_json(), reason, arrival)


def _dead_letter(refusal: Refusal) -> dict[str, Any]:
    arrival = refusal.arrival
    return {
        "run_id": arrival.run_id if arrival else None,
        "external_id": arrival.query.id if arrival else None,
        "content": bytes.fromhex(arrival.query.content_hash()) if arrival else None,
        "payload": refusal.payload.replace("\x00", "\ufffd"),
        "reason": refusal.reason,
    }
