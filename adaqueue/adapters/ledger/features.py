"""The features step's side of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import feature_specs, features, queries
from adaqueue.core.query import Message
from adaqueue.core.specs import FeatureSpec


class PostgresFeatureLedger:
    """Commits features.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, spec: FeatureSpec) -> None:
        """Commits what a fingerprint stands for, so that others can tell what differs; idempotent."""
        with self._database.begin() as conn:
            feature_specs.store(conn, spec)

    def begin(self, ids: Sequence[UUID]) -> dict[UUID, tuple[Message, ...]]:
        """Counts an attempt, see `FeatureLedger`."""
        with self._database.begin() as conn:
            loaded = queries.load(conn, queries.begin_features(conn, ids))
        return {query_id: query.messages for query_id, query in loaded.items()}

    def store(self, fingerprint: str, vectors: Mapping[UUID, bytes], failed: Sequence[UUID]) -> None:
        """Commits vectors, see `FeatureLedger`."""
        with self._database.begin() as conn:
            features.store(conn, fingerprint, dict(vectors))
            queries.to_window(conn, [*vectors, *failed])
