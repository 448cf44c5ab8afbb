"""Ingest's side of the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy import Connection

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import dead_letters, queries, runs
from adaqueue.core.arrivals import Arrival, Refusal
from adaqueue.core.sequential import HAZARDS
from adaqueue.core.specs import Run


class PostgresIngestLedger:
    """Commits what arrives.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, arrivals: Sequence[Arrival]) -> tuple[dict[UUID, bool], list[Refusal]]:
        """Commits arrivals, see `IngestLedger`."""
        with self._database.begin() as conn:
            known = runs.by_id(conn, {arrival.run_id for arrival in arrivals})
            sound, refused = _sift(arrivals, known, queries.first_domains(conn, list(known)))
            new = queries.insert_new(conn, [_row(a, known[a.run_id]) for a in sound]) if sound else set()
            refused += _conflicts(conn, [arrival for arrival in sound if arrival.id not in new])
            deadlines = {
                a.id: float(a.query.deadline_seconds) for a in sound if a.query.deadline_seconds is not None
            }
            queries.set_deadlines(conn, {key: value for key, value in deadlines.items() if key in new})
        waiting = {
            arrival.id: known[arrival.run_id].gives_way
            for arrival in sound
            if arrival.id in new and known[arrival.run_id].has_features
        }
        return waiting, refused

    def bury(self, refusals: Sequence[Refusal]) -> None:
        """Commits dead letters, see `IngestLedger`."""
        with self._database.begin() as conn:
            known = queries.contents_by_key(conn, [r.arrival.id for r in refusals if r.arrival])
            letters = [_dead_letter(refusal) for refusal in refusals]
            unread = [letter for letter in letters if letter["content"] is None]
            lost = [x for x in letters if x["content"] and known.get(x["id"]) != x["content"]]
            dead_letters.bury(conn, unread + lost)


def _sift(
    arrivals: Sequence[Arrival], known: Mapping[UUID, Run], domains: dict[UUID, str]
) -> tuple[list[Arrival], list[Refusal]]:
    sound, refused = [], []
    for arrival in arrivals:
        fault = _fault(arrival, known.get(arrival.run_id), domains.get(arrival.run_id))
        if fault is None:
            sound.append(arrival)
            domains.setdefault(arrival.run_id, arrival.query.domain)
        else:
            refused.append(_refuse(arrival, fault))
    return sound, refused


def _fault(arrival: Arrival, run: Run | None, domain: str | None) -> str | None:
    """Returns why a run, whose first query is of a domain, cannot take the query; None if it can."""
    if run is None:
        return f"run {arrival.run_id} does not exist"
    if run.engine == "replay" and arrival.query.recording is None:
        return "the replay engine needs recorded samples, the query came with none"
    asked = arrival.query.domain
    if run.engine != "replay" and asked == "code" and arrival.query.reference is None:
        return f"samples of the engine {run.engine} need tests to be verified, the query came with none"
    if run.policy in HAZARDS and domain is not None and (asked == "chat") != (domain == "chat"):
        return f"rewards of {asked} and {domain} have different units: give each a run of its own"
    return None


def _row(arrival: Arrival, run: Run) -> dict[str, Any]:
    query = arrival.query
    recording = query.recording if run.engine == "replay" else None
    return {
        "id": arrival.id,
        "run_id": arrival.run_id,
        "tenant": query.account,
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
        for arrival in group:
            content = stored.get((arrival.query.account, str(arrival.query.id)))
            if content is None:
                refused.append(_refuse(arrival, f"the internal key {arrival.id} belongs to another query"))
            elif content.hex() != arrival.query.content_hash():
                reason = f"id {arrival.query.id!r} was given before in this run with other content"
                refused.append(_refuse(arrival, reason))
    return refused


def _refuse(arrival: Arrival, reason: str) -> Refusal:
    return Refusal(arrival.to_json(), reason, arrival)


def _storable(text: str) -> str:
    """Returns text that Postgres can hold: what was no Unicode, and NUL, become question marks."""
    return text.encode(errors="replace").decode().replace("\x00", "?")


def _dead_letter(refusal: Refusal) -> dict[str, Any]:
    arrival = refusal.arrival
    return {
        "id": arrival.id if arrival else uuid5(NAMESPACE_OID, _storable(refusal.payload)),
        "run_id": arrival.run_id if arrival else None,
        "external_id": arrival.query.id if arrival else None,
        "content": bytes.fromhex(arrival.query.content_hash()) if arrival else None,
        "payload": _storable(refusal.payload),
        "reason": _storable(refusal.reason),
    }
