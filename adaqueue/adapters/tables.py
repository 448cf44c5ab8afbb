"""Every table of the ledger, in one place; alembic's migrations are checked against it."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import BigInteger, Double, Integer, SmallInteger

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


CHAMPION = text("state = 'champion'")


class Base(DeclarativeBase):
    """Base of all tables; times are the database's own clock."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a plain class attribute
        uuid.UUID: UUID(as_uuid=True),
        datetime.datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        str: Text,
        float: Double,
        int: Integer,
        bytes: LargeBinary,
    }


def now() -> Mapped[datetime.datetime]:
    """Returns a column that the database fills with its own time."""
    return mapped_column(server_default=func.now())


class RunRow(Base):
    """A producer's stream of queries: its policy, its decoder, its budget."""

    __tablename__ = "runs"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    name: Mapped[str]
    engine: Mapped[str]
    decoder: Mapped[str]
    policy: Mapped[str]
    average_budget: Mapped[Decimal] = mapped_column(Numeric)
    b_max: Mapped[int]
    has_features: Mapped[bool]
    created_at: Mapped[datetime.datetime] = now()
    closed_at: Mapped[datetime.datetime | None]
    __table_args__ = (
        Index("uq_runs_open_name", "tenant", "name", unique=True, postgresql_where=text("closed_at IS NULL")),
    )


class AccountRow(Base):
    """What a run may spend: allowed = B for each query seen; granted to queries; returned unspent."""

    __tablename__ = "accounts"
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    tenant: Mapped[str]
    allowed: Mapped[Decimal] = mapped_column(Numeric, server_default="0")
    granted: Mapped[int] = mapped_column(BigInteger, server_default="0")
    returned: Mapped[int] = mapped_column(BigInteger, server_default="0")


class QueryRow(Base):
    """A query and where it stands.

    state: features -> window -> sampling -> closed. outcome: answered, abstained, expired, cancelled,
    dead_lettered; null until closed. since: when it entered its state, or its doorbell was last rung in it.
    """

    __tablename__ = "queries"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id"))
    external_id: Mapped[str]
    content: Mapped[bytes]
    domain: Mapped[str]
    prompt: Mapped[Any] = mapped_column(JSONB)
    reference: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    # `metadata` is SQLAlchemy's own word on a model
    producer_metadata: Mapped[dict[str, Any]] = mapped_column("metadata")
    min_budget: Mapped[int]
    max_budget: Mapped[int | None]
    recording: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    recorded_samples: Mapped[int | None]
    state: Mapped[str]
    outcome: Mapped[str | None]
    features_attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    since: Mapped[datetime.datetime] = now()
    created_at: Mapped[datetime.datetime] = now()
    closed_at: Mapped[datetime.datetime | None]
    __table_args__ = (
        UniqueConstraint("run_id", "external_id"),
        CheckConstraint("state IN ('features', 'window', 'sampling', 'closed')", name="state"),
        CheckConstraint("(state = 'closed') = (outcome IS NOT NULL)", name="outcome"),
        Index("ix_queries_features", "since", postgresql_where=text("state = 'features'")),
        Index("ix_queries_window", "run_id", "created_at", "id", postgresql_where=text("state = 'window'")),
    )


class FeaturesRow(Base):
    """A prompt's hidden state, with the fingerprint of what computed it."""

    __tablename__ = "features"
    query_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("queries.id"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    vector: Mapped[bytes]
    created_at: Mapped[datetime.datetime] = now()


class ProbeRow(Base):
    """A trained probe; weights, as safetensors, are refused if their digest differs."""

    __tablename__ = "probes"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    decoder: Mapped[str]
    domain: Mapped[str]
    features_fingerprint: Mapped[str]
    sampling_fingerprint: Mapped[str]
    spec: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any]]
    weights: Mapped[bytes]
    sha256: Mapped[str]
    state: Mapped[str]
    created_at: Mapped[datetime.datetime] = now()
    __table_args__ = (
        CheckConstraint("state IN ('champion', 'challenger', 'retired')", name="state"),
        Index("uq_probes_champion", "decoder", "domain", unique=True, postgresql_where=CHAMPION),
    )


class AllocationRow(Base):
    """A budget with everything that explains it, and who works on it.

    state: ready -> running -> done, or dead. attempt is the fencing token; failures counts attempts
    that were neither finished nor handed back.
    """

    __tablename__ = "allocations"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    query_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("queries.id"))
    window_id: Mapped[uuid.UUID] = mapped_column(index=True)
    round: Mapped[int] = mapped_column(SmallInteger)
    decoder: Mapped[str]
    engine: Mapped[str]
    budget: Mapped[int]
    first_sample: Mapped[int]
    alpha: Mapped[float]
    beta: Mapped[float]
    price: Mapped[float]
    policy: Mapped[str]
    probe: Mapped[str]
    propensity: Mapped[float]
    reason: Mapped[str]
    state: Mapped[str]
    attempt: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    worker_id: Mapped[uuid.UUID | None]
    rung_at: Mapped[datetime.datetime] = now()
    created_at: Mapped[datetime.datetime] = now()
    __table_args__ = (
        UniqueConstraint("query_id", "round"),
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


class AttemptRow(Base):
    """One worker's try at an allocation, and what of it was wasted.

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


class DeadLetterRow(Base):
    """What could not be carried out, with the reason, so that it can be looked at and given again."""

    __tablename__ = "dead_letters"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    run_id: Mapped[uuid.UUID | None]
    external_id: Mapped[str | None]
    content: Mapped[bytes | None]
    payload: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime.datetime] = now()
    replayed_at: Mapped[datetime.datetime | None]
    __table_args__ = (Index("ix_dead_letters_external_id", "run_id", "external_id"),)


class WorkerRow(Base):
    """A process that takes work, when it was last heard of, and what it serves if it is a sampler."""

    __tablename__ = "workers"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    engine: Mapped[str | None]
    decoder: Mapped[str | None]
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime.datetime] = now()
    heartbeat_at: Mapped[datetime.datetime] = now()
    stopped_at: Mapped[datetime.datetime | None]


class LeaseRow(Base):
    """Who alone may do a thing; the epoch rises with every new holder."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[uuid.UUID]
    epoch: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime.datetime]
