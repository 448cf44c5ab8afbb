"""SQL of the table `workers`."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from adaqueue.adapters.sql.clock import ago
from adaqueue.adapters.tables import WorkerRow


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that takes work.

    Attributes:
        kind: scheduler, features, sampler or verifier.
        host: where it runs.
        pid: its process there.
        engine: which engine a sampler serves, beside `replay`.
        decoder: name of the model that a sampler draws from, or by which a verifier scores chat.
    """

    kind: str
    host: str
    pid: int
    engine: str | None = None
    decoder: str | None = None


def register(conn: Connection, worker_id: UUID, worker: Worker) -> None:
    """Enters a worker."""
    conn.execute(insert(WorkerRow), {"id": worker_id, **asdict(worker)})


def served(conn: Connection, seconds: float) -> tuple[str | None, str | None] | None:
    """Returns (engine, decoder) of the newest sampler heard of within so many seconds; None if none was."""
    statement = (
        select(WorkerRow.engine, WorkerRow.decoder)
        .where(WorkerRow.kind == "sampler", WorkerRow.heartbeat_at > ago(seconds))
        .where(WorkerRow.stopped_at.is_(None))
        .order_by(WorkerRow.started_at.desc())
        .limit(1)
    )
    row = conn.execute(statement).one_or_none()
    return None if row is None else (row.engine, row.decoder)


def reward_model(conn: Connection, seconds: float) -> str | None:
    """Returns the model by which a verifier heard of so many seconds ago scores chat; None if none does."""
    statement = (
        select(WorkerRow.decoder)
        .where(WorkerRow.kind == "verifier", WorkerRow.heartbeat_at > ago(seconds))
        .where(WorkerRow.stopped_at.is_(None), WorkerRow.decoder.is_not(None))
        .limit(1)
    )
    return conn.execute(statement).scalar_one_or_none()


def beat(conn: Connection, worker_id: UUID) -> None:
    """Notes that the worker was heard of now."""
    conn.execute(update(WorkerRow).where(WorkerRow.id == worker_id).values(heartbeat_at=func.now()))


def stop(conn: Connection, worker_id: UUID) -> None:
    """Notes that the worker stopped: whatever it still holds is returned at once."""
    conn.execute(update(WorkerRow).where(WorkerRow.id == worker_id).values(stopped_at=func.now()))


def now(conn: Connection) -> datetime.datetime:
    """Returns the database's time."""
    return conn.execute(select(func.now())).scalar_one()


def pids_since(conn: Connection, start: datetime.datetime, host: str) -> set[int]:
    """Returns the processes of workers on a host that started since `start` and have not stopped."""
    statement = select(WorkerRow.pid).where(
        WorkerRow.started_at >= start, WorkerRow.stopped_at.is_(None), WorkerRow.host == host
    )
    return set(conn.execute(statement).scalars())


def count(conn: Connection, kind: str, seconds: float) -> int:
    """Returns how many workers of a kind were heard of within so many seconds."""
    statement = select(func.count()).where(
        WorkerRow.kind == kind, WorkerRow.heartbeat_at > ago(seconds), WorkerRow.stopped_at.is_(None)
    )
    return conn.execute(statement).scalar_one()


def is_heard(conn: Connection, kind: str, seconds: float) -> bool:
    """Whether some worker of a kind was heard of within so many seconds."""
    statement = select(WorkerRow.id).where(
        WorkerRow.kind == kind, WorkerRow.heartbeat_at > ago(seconds), WorkerRow.stopped_at.is_(None)
    )
    return conn.execute(statement.limit(1)).first() is not None
