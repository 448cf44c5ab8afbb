"""SQL of the table `accounts`: what each run may spend, has granted, and got back."""

from __future__ import annotations

import math
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from adaqueue.adapters.sql.runs import DEFAULT_TENANT
from adaqueue.adapters.tables import AccountRow


def open_for(conn: Connection, run_id: UUID) -> None:
    """Creates the run's account, empty, unless it exists."""
    conn.execute(insert(AccountRow).on_conflict_do_nothing(), {"run_id": run_id, "tenant": DEFAULT_TENANT})


def balance(conn: Connection, run_id: UUID, allowance: Decimal) -> int:
    """Returns the whole samples that may be granted once `allowance` is added; below 0 after an overdraft."""
    row = conn.execute(select(AccountRow.__table__).where(AccountRow.run_id == run_id)).one()
    left: Decimal = row.allowed + allowance - row.granted + row.returned
    return math.floor(left)


def grant(conn: Connection, run_id: UUID, allowance: Decimal, granted: int) -> None:
    """Adds a window's allowance and what the window was granted."""
    conn.execute(
        update(AccountRow)
        .where(AccountRow.run_id == run_id)
        .values(allowed=AccountRow.allowed + allowance, granted=AccountRow.granted + granted)
    )


def give_back(conn: Connection, run_id: UUID, samples: int) -> None:
    """Returns samples that were granted and will not be drawn."""
    conn.execute(
        update(AccountRow).where(AccountRow.run_id == run_id).values(returned=AccountRow.returned + samples)
    )
