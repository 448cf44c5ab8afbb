"""The features step's side of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import feature_specs, features, queries
from adaqueue.core.query import Query
from adaqueue.core.specs import FeatureSpec
from adaqueue.ports import NO_VECTORS


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

    def begin(self, ids: Sequence[UUID]) -> dict[UUID, Query]:
        """Counts an attempt, see `FeatureLedger`."""
        with self._database.begin() as conn:
            return queries.load(conn, queries.begin_features(conn, ids))

    def store(
        self,
        fingerprint: str,
        vectors: Mapping[UUID, bytes],
        failed: Sequence[UUID],
        adapted: Mapping[str, Mapping[UUID, bytes]] = NO_VECTORS,
    ) -> None:
        """Commits vectors, see `FeatureLedger`."""
        with self._database.begin() as conn:
            features.store(conn, fingerprint, dict(vectors))
            for other, found in adapted.items():
                features.store(conn, other, dict(found))
            queries.to_window(conn, [*vectors, *failed])
