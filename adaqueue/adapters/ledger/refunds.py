"""Samples that were granted and will not be drawn go back to the accounts that paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Connection

from adaqueue.adapters.sql import accounts, queries


def return_samples(conn: Connection, unspent: Mapping[UUID, int]) -> None:
    """Returns so many samples of each query; accounts in order, so that no two wait for each other."""
    total: Counter[tuple[UUID, str]] = Counter()
    for row in queries.identities(conn, [query_id for query_id, samples in unspent.items() if samples]):
        total[row.run_id, row.tenant] += unspent[row.id]
    for run_id, tenant in sorted(total):
        accounts.give_back(conn, run_id, tenant, total[run_id, tenant])
