"""Tables of the work on queries: what was believed, granted, drawn, said and answered."""

from __future__ import annotations

import datetime
import uuid

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, SmallInteger

from adaqueue.adapters.slot_tables import EvaluationRow, TrainingRow
from adaqueue.adapters.tables import Base, now

__all__ = [  # whoever takes `Base` from here has every table
    "AllocationRow",
    "AnswerRow",
    "AttemptRow",
    "AuditRow",
    "Base",
    "EvaluationRow",
    "PredictionRow",
    "SampleRow",
    "TrainingRow",
    "VerdictRow",
]


class PredictionRow(Base):
    """What was believed of a query under a sequential policy before its first sample.

    curve_a, curve_b, curve_c: of its hazards, see `core.posterior`; null: those of Beta(alpha, beta), but
    for a share `zero` that never succeeds. tokens: expected of a sample; null where the probe does not say.
    window_id: in which it came in; null in rows older than the column.
    """

    __tablename__ = "predictions"
    query_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("queries.id"), primary_key=True)
    alpha: Mapped[float]
    beta: Mapped[float]
    zero: Mapped[float] = mapped_column(server_default=text("0"))
    tokens: Mapped[float | None]
    curve_a: Mapped[float | None]
    curve_b: Mapped[float | None]
    curve_c: Mapped[float | None]
    probe: Mapped[str]
    reason: Mapped[str]
    window_id: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime.datetime] = now()


class AllocationRow(Base):
    """A budget with everything that explains it, and who works on it.

    index: of its first sample; null under a policy that buys once. With a budget of 0 the reason says why
    nothing more is drawn.
    stage: draw, then verify, each of them ready -> running; state: then done, or dead. attempt is the fencing
    token; failures counts attempts that were neither finished nor handed back.
    """

    __tablename__ = "allocations"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    query_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("queries.id"))
    window_id: Mapped[uuid.UUID] = mapped_column(index=True)
    decoder: Mapped[str]
    engine: Mapped[str]
    budget: Mapped[int]
    first_sample: Mapped[int]
    alpha: Mapped[float]
    beta: Mapped[float]
    index: Mapped[float | None]
    price: Mapped[float]
    policy: Mapped[str]
    probe: Mapped[str]
    propensity: Mapped[float]
    reason: Mapped[str]
    stage: Mapped[str] = mapped_column(server_default=text("'draw'"))
    state: Mapped[str]
    attempt: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    worker_id: Mapped[uuid.UUID | None]
    rung_at: Mapped[datetime.datetime] = now()
    created_at: Mapped[datetime.datetime] = now()
    __table_args__ = (
        UniqueConstraint("query_id", "first_sample"),
        CheckConstraint("stage IN ('draw', 'verify')", name="stage"),
        CheckConstraint("state IN ('ready', 'running', 'done', 'dead')", name="state"),
        CheckConstraint("budget >= 0", name="budget"),
        Index("ix_allocations_ready", "rung_at", postgresql_where=text("state = 'ready'")),
        Index("ix_allocations_running", "worker_id", postgresql_where=text("state = 'running'")),
    )


class SampleRow(Base):
    """One response; (query, number) is unique, the first writer wins."""

    __tablename__ = "samples"
    query_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("queries.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    allocation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("allocations.id"))
    attempt: Mapped[int]
    decoder: Mapped[str]
    sampling_fingerprint: Mapped[str]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    text: Mapped[str | None]
    tokens_in: Mapped[int | None]
    tokens_out: Mapped[int | None]
    finish_reason: Mapped[str]
    seconds: Mapped[float]
    created_at: Mapped[datetime.datetime] = now()


class VerdictRow(Base):
    """What a verifier said of a sample; `not_verified` is the verifier's own fault and is written over."""

    __tablename__ = "verdicts"
    query_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    verifier: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    verdict: Mapped[str]
    reward: Mapped[float | None]
    route: Mapped[str]
    tier: Mapped[str | None]
    seconds: Mapped[float]
    created_at: Mapped[datetime.datetime] = now()
    __table_args__ = (ForeignKeyConstraint(["query_id", "number"], ["samples.query_id", "samples.number"]),)


class AuditRow(Base):
    """A verdict that a second verifier checked again.

    source and auditor: who accepted, or did not, see `core.trust.source`.
    """

    __tablename__ = "audits"
    query_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    auditor: Mapped[str] = mapped_column(primary_key=True)
    auditor_version: Mapped[str]
    source: Mapped[str]
    accepted: Mapped[bool]
    confirmed: Mapped[bool]
    created_at: Mapped[datetime.datetime] = now()
    __table_args__ = (ForeignKeyConstraint(["query_id", "number"], ["samples.query_id", "samples.number"]),)


class AttemptRow(Base):
    """One worker's try at drawing or verifying an allocation, and what of it was wasted.

    outcome: finished, handed_back, failed, lost; null while it runs. wasted_tokens is exact where the
    worker could still say it, else an upper bound.
    """

    __tablename__ = "attempts"
    allocation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("allocations.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    worker_id: Mapped[uuid.UUID]
    asked_samples: Mapped[int]
    wasted_samples: Mapped[int] = mapped_column(server_default="0")
    wasted_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    wasted_is_exact: Mapped[bool] = mapped_column(server_default=text("true"))
    outcome: Mapped[str | None]
    reason: Mapped[str | None]
    started_at: Mapped[datetime.datetime] = now()
    ended_at: Mapped[datetime.datetime | None]


class AnswerRow(Base):
    """What the client gets: one row a query that was answered or abstained."""

    __tablename__ = "answers"
    query_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("queries.id"), primary_key=True)
    text: Mapped[str | None]
    sample_number: Mapped[int | None]
    reward: Mapped[float | None]
    verified: Mapped[bool]
    budget: Mapped[int]
    samples_used: Mapped[int]
    abstained: Mapped[bool]
    created_at: Mapped[datetime.datetime] = now()
