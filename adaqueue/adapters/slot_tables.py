"""Tables of scheduled work: what was done when, and once for each slot of the schedule."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from adaqueue.adapters.tables import Base, now


class TrainingRow(Base):
    """One training of a domain's challengers, or one look for drift; a slot of the schedule has one.

    state: running, done, failed. alive_at: when its process last said that it is at it. report: what was
    found, in figures.
    """

    __tablename__ = "trainings"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    decoder: Mapped[str]
    domain: Mapped[str]
    slot: Mapped[str | None]
    state: Mapped[str]
    report: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    started_at: Mapped[datetime.datetime] = now()
    alive_at: Mapped[datetime.datetime] = now()
    ended_at: Mapped[datetime.datetime | None]
    __table_args__ = (
        UniqueConstraint("decoder", "domain", "slot"),
        CheckConstraint("state IN ('running', 'done', 'failed')", name="state"),
    )


class EvaluationRow(Base):
    """One suite of one night: what was measured, and what it says beside the nights before.

    slot: the night, a minute of the schedule, or the second at which somebody asked for it. state: running,
    done, failed. alive_at: when its process last said that it is at it. basis: digest of the suite's data and
    settings: nights with the same can be compared. report: figures, comparison and alarms.
    """

    __tablename__ = "evaluations"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    suite: Mapped[str]
    slot: Mapped[str]
    basis: Mapped[str]
    state: Mapped[str]
    report: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    started_at: Mapped[datetime.datetime] = now()
    alive_at: Mapped[datetime.datetime] = now()
    ended_at: Mapped[datetime.datetime | None]
    __table_args__ = (
        UniqueConstraint("suite", "slot"),
        CheckConstraint("state IN ('running', 'done', 'failed')", name="state"),
        Index("ix_evaluations_started_at", "started_at"),
    )
