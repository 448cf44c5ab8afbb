"""What a run's real rewards say of its population."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from adaqueue.adapters.sql import verdicts
from adaqueue.core.improvement import Population, fit

MOST_QUERIES = 256
SETTLED_QUERIES = 64


def population_of(conn: Connection, run_id: UUID, tenant: str) -> tuple[Population | None, bool]:
    """Returns the population of the chat queries that an account drew last, and whether it is settled.

    Settled means of at least `SETTLED_QUERIES` queries. None where no query has a reward yet.
    """
    rewards = verdicts.chat_rewards(conn, run_id, tenant, MOST_QUERIES)
    return (fit(rewards) if rewards else None), len(rewards) >= SETTLED_QUERIES
