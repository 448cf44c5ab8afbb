"""Every table of the ledger, in one place; alembic's migrations are checked against it."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
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


def table_of(row_class: type[Base]) -> Table:
    """Returns the table of a row's class."""
    return cast(Table, row_class.__table__)


def now() -> Mapped[datetime.datetime]:
    """Returns a column that the database fills with its own time."""
    return mapped_column(server_default=func.now())


class RunRow(Base):
    """A producer's queries: their policy, their decoder, their budget.

    sealed_queries: how many a batch gets, once its producer has said so. purpose: serving, or evaluation,
    which gives way to it and is never learnt from.
    """

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
    is_batch: Mapped[bool] = mapped_column(server_default=text("false"))
    purpose: Mapped[str] = mapped_column(server_default=text("'serving'"))
    created_at: Mapped[datetime.datetime] = now()
    sealed_queries: Mapped[int | None]
    closed_at: Mapped[datetime.datetime | None]
    __table_args__ = (
        CheckConstraint("purpose IN ('serving', 'evaluation')", name="purpose"),
        Index("uq_runs_open_name", "tenant", "name", unique=True, postgresql_where=text("closed_at IS NULL")),
    )


class AccountRow(Base):
    """What a tenant may spend in a run: allowed = B for each query seen; granted; returned unspent.

    base_price and price steer sequential buying in a stream, see `core.sequential`; null before the first
    window, and in a batch.
    """

    __tablename__ = "accounts"
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    tenant: Mapped[str] = mapped_column(primary_key=True)
    allowed: Mapped[Decimal] = mapped_column(Numeric, server_default="0")
    granted: Mapped[int] = mapped_column(BigInteger, server_default="0")
    returned: Mapped[int] = mapped_column(BigInteger, server_default="0")
    base_price: Mapped[float | None]
    price: Mapped[float | None]
    entered_at: Mapped[datetime.datetime] = now()
    served_at: Mapped[datetime.datetime] = now()


class QueryRow(Base):
    """A query and where it stands.

    state: features -> window -> sampling -> closed; under a sequential policy window -> open <-> sampling ->
    closed. outcome: answered, abstained, expired, cancelled, dead_lettered; null until closed. since: when it
    entered its state, or its doorbell was last rung in it. drawn: samples verified so far. next_index: of its
    next sample; null where it is still to be computed.
    """

    __tablename__ = "queries"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id"))
    tenant: Mapped[str] = mapped_column(server_default=text("'default'"))
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
    drawn: Mapped[int] = mapped_column(server_default="0")
    next_index: Mapped[float | None]
    deadline_at: Mapped[datetime.datetime | None]
    since: Mapped[datetime.datetime] = now()
    created_at: Mapped[datetime.datetime] = now()
    closed_at: Mapped[datetime.datetime | None]
    __table_args__ = (
        UniqueConstraint("run_id", "tenant", "external_id"),
        CheckConstraint("state IN ('features', 'window', 'open', 'sampling', 'closed')", name="state"),
        CheckConstraint("(state = 'closed') = (outcome IS NOT NULL)", name="outcome"),
        Index("ix_queries_features", "since", postgresql_where=text("state = 'features'")),
        Index(
            "ix_queries_window",
            "run_id",
            "tenant",
            "created_at",
            "id",
            postgresql_where=text("state = 'window'"),
        ),
        Index(
            "ix_queries_open",
            "run_id",
            "tenant",
            text("next_index DESC NULLS FIRST"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_queries_run_id", "run_id", "id"),
        Index(
            "ix_queries_deadline",
            "deadline_at",
            postgresql_where=text("deadline_at IS NOT NULL AND state <> 'closed'"),
        ),
    )


class FeaturesRow(Base):
    """A prompt's hidden state, with the fingerprint of what computed it."""

    __tablename__ = "features"
    query_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("queries.id"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    vector: Mapped[bytes]
    created_at: Mapped[datetime.datetime] = now()


class ProbeRow(Base):
    """A trained probe; weights, as safetensors, are refused if their digest differs.

    state: champion (in use), challenger (never was), retired (was). data: which outcomes it was trained on.
    parent: name of the probe in use then. Weights lie in the row, or at url.
    """

    __tablename__ = "probes"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    decoder: Mapped[str]
    domain: Mapped[str]
    features_fingerprint: Mapped[str]
    sampling_fingerprint: Mapped[str]
    spec: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any]]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    parent: Mapped[str | None]
    weights: Mapped[bytes | None]
    url: Mapped[str | None]
    sha256: Mapped[str]
    state: Mapped[str]
    created_at: Mapped[datetime.datetime] = now()
    __table_args__ = (
        CheckConstraint("state IN ('champion', 'challenger', 'retired')", name="state"),
        CheckConstraint("(weights IS NULL) = (url IS NOT NULL)", name="weights"),
        Index("uq_probes_champion", "decoder", "domain", unique=True, postgresql_where=CHAMPION),
    )


class PromotionRow(Base):
    """That a probe was put into use, in whose place, and why."""

    __tablename__ = "promotions"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    decoder: Mapped[str]
    domain: Mapped[str]
    probe_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("probes.id"))
    previous_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("probes.id"))
    reason: Mapped[str]
    created_at: Mapped[datetime.datetime] = now()
    __table_args__ = (Index("ix_promotions_decoder", "decoder", "domain", "id"),)


class FeatureSpecRow(Base):
    """What a fingerprint of features stands for, and when a process last began to compute them."""

    __tablename__ = "feature_specs"
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    spec: Mapped[dict[str, Any]]
    used_at: Mapped[datetime.datetime] = now()


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
    """A process that takes work, when it was last heard of, and which model it serves, if any."""

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
