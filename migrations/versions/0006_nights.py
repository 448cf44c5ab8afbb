"""What a run is for, and the nights on which suites measured the system."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = postgresql.TIMESTAMP(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    op.add_column(
        "runs", sa.Column("purpose", sa.Text(), server_default=sa.text("'serving'"), nullable=False)
    )
    op.create_check_constraint("purpose", "runs", "purpose IN ('serving', 'evaluation')")
    op.create_table(
        "evaluations",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("report", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("started_at", TIME, server_default=NOW, nullable=False),
        sa.Column("alive_at", TIME, server_default=NOW, nullable=False),
        sa.Column("ended_at", TIME),
        sa.CheckConstraint("state IN ('running', 'done', 'failed')", name=op.f("ck_evaluations_state")),
        sa.PrimaryKeyConstraint("id", name="pk_evaluations"),
        sa.UniqueConstraint("suite", "slot", name="uq_evaluations_suite_slot"),
    )
    op.create_index("ix_evaluations_started_at", "evaluations", ["started_at"])


def downgrade() -> None:
    """What evaluations drew counts as served from then on: older versions teach their probes with it."""
    op.drop_table("evaluations")
    op.drop_constraint("ck_runs_purpose", "runs")
    op.drop_column("runs", "purpose")
