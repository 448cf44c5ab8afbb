"""What fingerprints of features stand for, as the ledger was told."""

from __future__ import annotations

from typing import Any

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import feature_specs


class KnownFeatures:
    """Looks fingerprints up, each once.

    Args:
        database: the ledger's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, dict[str, Any]] = {}

    def __call__(self, fingerprint: str) -> dict[str, Any] | None:
        """Returns the specification as plain data; None if nobody has told of it."""
        if fingerprint not in self._known:
            with self._database.begin() as conn:
                self._known |= feature_specs.by_fingerprint(conn, [fingerprint])
        return self._known.get(fingerprint)
