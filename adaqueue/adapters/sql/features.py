"""SQL of the table `features`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, select

from adaqueue.adapters.sql.bulk import among, insert_rows
from adaqueue.adapters.tables import FeaturesRow, QueryRow


def store(conn: Connection, fingerprint: str, vectors: dict[UUID, bytes]) -> None:
    """Stores float32 vectors; the first writer wins."""
    rows = [
        {"query_id": query_id, "fingerprint": fingerprint, "vector": vector}
        for query_id, vector in vectors.items()
    ]
    if rows:
        conn.execute(insert_rows(FeaturesRow, rows).on_conflict_do_nothing())


def of_queries(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, bytes]]:
    """Returns each query's vectors by fingerprint; a query that has none is left out."""
    statement = select(FeaturesRow.query_id, FeaturesRow.fingerprint, FeaturesRow.vector).where(
        among(FeaturesRow.query_id, ids)
    )
    found: dict[UUID, dict[str, bytes]] = {}
    for row in conn.execute(statement):
        found.setdefault(row.query_id, {})[row.fingerprint] = row.vector
    return found


def of_run(conn: Connection, run_id: UUID, fingerprint: str) -> dict[str, bytes]:
    """Returns the vectors of a run's queries by the user's id; a query that has none is left out."""
    statement = (
        select(QueryRow.external_id, FeaturesRow.vector)
        .join(FeaturesRow, FeaturesRow.query_id == QueryRow.id)
        .where(QueryRow.run_id == run_id, FeaturesRow.fingerprint == fingerprint)
    )
    return {row.external_id: row.vector for row in conn.execute(statement)}
