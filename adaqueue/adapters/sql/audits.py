"""SQL of the table `audits`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, text

from adaqueue.adapters.sql.bulk import insert_rows
from adaqueue.adapters.work_tables import AuditRow
from adaqueue.core.trust import Audit

COUNTS = text(
    """
    WITH newest AS (
        SELECT DISTINCT ON (source, auditor) source, auditor, auditor_version
        FROM audits ORDER BY source, auditor, created_at DESC
    )
    SELECT source, auditor,
           count(*) FILTER (WHERE accepted AND confirmed) AS both,
           count(*) FILTER (WHERE accepted AND NOT confirmed) AS source_alone,
           count(*) FILTER (WHERE confirmed AND NOT accepted) AS auditor_alone,
           count(*) FILTER (WHERE NOT accepted AND NOT confirmed) AS neither
    FROM audits JOIN newest USING (source, auditor, auditor_version)
    GROUP BY source, auditor ORDER BY source, auditor
    """
)


def store(conn: Connection, audits: Sequence[Audit]) -> None:
    """Stores audits; the first of a sample and auditor stays."""
    rows = [asdict(audit) for audit in audits]
    conn.execute(insert_rows(AuditRow, rows).on_conflict_do_nothing())


def counts(conn: Connection) -> list[Row[Any]]:
    """Returns (source, auditor, both, source_alone, auditor_alone, neither): how often who accepted.

    Of an auditor that was replaced by another version only the newest counts.
    """
    return list(conn.execute(COUNTS))
