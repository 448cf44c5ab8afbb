"""Verification as a stage of its own, and audits.

Allocations that are at work are drawn and verified by the sampler that holds them; they go on as drawings.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column(
        "allocations", sa.Column("stage", sa.Text(), server_default=sa.text("'draw'"), nullable=False)
    )
    op.create_check_constraint("stage", "allocations", "stage IN ('draw', 'verify')")
    op.create_table(
        "audits",
        sa.Column("query_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("auditor", sa.Text(), nullable=False),
        sa.Column("auditor_version", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["query_id", "number"], ["samples.query_id", "samples.number"], name="fk_audits_query_id_samples"
        ),
        sa.PrimaryKeyConstraint("query_id", "number", "auditor", name="pk_audits"),
    )


def downgrade() -> None:
    """What waits to be verified is drawn again by its sampler, which finds every sample there."""
    op.drop_table("audits")
    op.drop_constraint("ck_allocations_stage", "allocations")
    op.drop_column("allocations", "stage")
