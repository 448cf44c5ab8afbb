"""SQL of the table `accounts`: what each tenant may spend in a run, has been granted, and got back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from adaqueue.adapters.sql.clock import ago
from adaqueue.adapters.tables import AccountRow, DeadLetterRow, QueryRow, RunRow
from adaqueue.core.decisions import Account
from adaqueue.core.specs import Run

# of the accounts that have open queries the one served longest ago; the recursion jumps in the index from one
# account to the next, so that neither many open queries nor many old accounts cost anything. While others
# have open queries, an evaluation has its turn every 2 seconds
NEXT_OPEN = text(
    """
    WITH RECURSIVE open AS (
      (SELECT run_id, tenant FROM queries WHERE state = 'open' ORDER BY run_id, tenant LIMIT 1)
      UNION ALL
      SELECT q.run_id, q.tenant
      FROM open o, LATERAL (
        SELECT run_id, tenant FROM queries
        WHERE state = 'open' AND (run_id, tenant) > (o.run_id, o.tenant)
        ORDER BY run_id, tenant LIMIT 1
      ) q
    )
    SELECT run_id, open.tenant FROM open JOIN accounts USING (run_id, tenant) JOIN runs ON runs.id = run_id
    ORDER BY served_at + make_interval(secs => CASE WHEN purpose = 'evaluation' THEN 2 ELSE 0 END) LIMIT 1
    """
)


def load(conn: Connection, run: Run, tenant: str, window_queries: int) -> Account:
    """Returns the account as it stands; an empty one if the tenant has none yet."""
    row = conn.execute(select(AccountRow.__table__).where(*_is(run.id, tenant))).one_or_none()
    allowance = run.average_budget * window_queries
    if row is None:
        return Account(run, tenant, 0.0, allowance)
    balance = float(row.allowed - row.granted + row.returned)
    return Account(run, tenant, balance, allowance, row.base_price, row.price)


def allowed(conn: Connection, account: Account) -> float:
    """Returns all that the account was ever allowed."""
    found = select(AccountRow.allowed).where(*_is(account.run.id, account.tenant))
    return float(conn.execute(found).scalar_one())


def next_open(conn: Connection) -> tuple[UUID, str] | None:
    """Returns (run, tenant) of the account with open queries that was served longest ago."""
    row = conn.execute(NEXT_OPEN).one_or_none()
    return None if row is None else (row.run_id, row.tenant)


def served(conn: Connection, run_id: UUID, tenant: str) -> None:
    """Notes that it was the account's turn, and locks it until the transaction ends."""
    conn.execute(update(AccountRow).where(*_is(run_id, tenant)).values(served_at=func.clock_timestamp()))


def is_complete(conn: Connection, account: Account, idle_seconds: float) -> bool:
    """Whether a batch gets no more queries: all it was sealed with came, or none for so long."""
    if not account.run.is_batch:
        return False
    coming = select(QueryRow.id).where(
        QueryRow.run_id == account.run.id,
        QueryRow.tenant == account.tenant,
        QueryRow.state.in_(("features", "window")),
    )
    here = select(func.count()).where(QueryRow.run_id == account.run.id).scalar_subquery()
    refused = (
        select(func.count())
        .where(DeadLetterRow.run_id == account.run.id)
        .where(~select(QueryRow.id).where(QueryRow.id == DeadLetterRow.id).exists())
        .scalar_subquery()
    )
    settled = (RunRow.sealed_queries <= here + refused) | (AccountRow.entered_at <= ago(idle_seconds))
    statement = (
        select(AccountRow.run_id)
        .join(RunRow, RunRow.id == AccountRow.run_id)
        .where(*_is(account.run.id, account.tenant), settled, ~coming.exists())
    )
    return conn.execute(statement).first() is not None


def enter(conn: Connection, account: Account, allowance: Decimal) -> None:
    """Adds a window's allowance, and creates the account with its first."""
    row = {"run_id": account.run.id, "tenant": account.tenant, "allowed": allowance}
    statement = insert(AccountRow).values(**row)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["run_id", "tenant"],
            set_={"allowed": AccountRow.allowed + allowance, "entered_at": func.now()},
        )
    )


def grant(conn: Connection, account: Account, granted: int) -> None:
    """Notes what was granted."""
    _update(conn, account, granted=AccountRow.granted + granted)


def set_prices(conn: Connection, account: Account, prices: tuple[float, float]) -> None:
    """Sets (base, price) of a stream."""
    _update(conn, account, base_price=prices[0], price=prices[1])


def give_back(conn: Connection, run_id: UUID, tenant: str, samples: int) -> None:
    """Returns samples that were granted and will not be drawn."""
    conn.execute(
        update(AccountRow).where(*_is(run_id, tenant)).values(returned=AccountRow.returned + samples)
    )


def _update(conn: Connection, account: Account, **values: Any) -> None:
    conn.execute(update(AccountRow).where(*_is(account.run.id, account.tenant)).values(**values))


def _is(run_id: UUID, tenant: str) -> tuple[ColumnElement[bool], ...]:
    return (and_(AccountRow.run_id == run_id, AccountRow.tenant == tenant),)
