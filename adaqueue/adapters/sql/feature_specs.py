"""SQL of the table `feature_specs`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select

from adaqueue.adapters.sql.bulk import among, insert_rows
from adaqueue.adapters.tables import FeatureSpecRow
from adaqueue.core.specs import FeatureSpec


def store(conn: Connection, spec: FeatureSpec) -> None:
    """Stores what a fingerprint stands for; the first writer wins."""
    row = {"fingerprint": spec.fingerprint(), "spec": asdict(spec)}
    conn.execute(insert_rows(FeatureSpecRow, [row]).on_conflict_do_nothing())


def by_fingerprint(conn: Connection, fingerprints: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Returns what fingerprints stand for, as plain data; one that nobody has told of is left out."""
    statement = select(FeatureSpecRow.fingerprint, FeatureSpecRow.spec).where(
        among(FeatureSpecRow.fingerprint, fingerprints)
    )
    return {row.fingerprint: row.spec for row in conn.execute(statement)}
