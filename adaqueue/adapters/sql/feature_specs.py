"""SQL of the table `feature_specs`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, func, select

from adaqueue.adapters.sql.bulk import among, insert_rows
from adaqueue.adapters.tables import FeatureSpecRow
from adaqueue.core.specs import FeatureSpec


def store(conn: Connection, spec: FeatureSpec) -> None:
    """Stores what a fingerprint stands for, and that it is in use now."""
    row = {"fingerprint": spec.fingerprint(), "spec": asdict(spec)}
    again = {"used_at": func.now()}
    statement = insert_rows(FeatureSpecRow, [row])
    conn.execute(statement.on_conflict_do_update(index_elements=["fingerprint"], set_=again))


def newest(conn: Connection, model: str) -> dict[str, Any] | None:
    """Returns the specification of a model's own features that was in use last; None if there is none."""
    spec = FeatureSpecRow.spec
    statement = (
        select(spec)
        .where(spec["model"].astext == model, spec["adapter"].astext == "")
        .order_by(FeatureSpecRow.used_at.desc())
        .limit(1)
    )
    return conn.execute(statement).scalar_one_or_none()


def by_fingerprint(conn: Connection, fingerprints: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Returns what fingerprints stand for, as plain data; one that nobody has told of is left out."""
    statement = select(FeatureSpecRow.fingerprint, FeatureSpecRow.spec).where(
        among(FeatureSpecRow.fingerprint, fingerprints)
    )
    return {row.fingerprint: row.spec for row in conn.execute(statement)}
