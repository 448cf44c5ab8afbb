"""The life of probes: where weights lie, what they learnt from, promotions, trainings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = postgresql.TIMESTAMP(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    op.add_column(
        "probes", sa.Column("data", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("probes", sa.Column("parent", sa.Text()))
    op.add_column("probes", sa.Column("url", sa.Text()))
    op.alter_column("probes", "weights", nullable=True)
    op.create_check_constraint("weights", "probes", "(weights IS NULL) = (url IS NOT NULL)")
    op.create_table(
        "promotions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("decoder", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("probe_id", sa.UUID(), nullable=False),
        sa.Column("previous_id", sa.UUID()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["probe_id"], ["probes.id"], name="fk_promotions_probe_id_probes"),
        sa.ForeignKeyConstraint(["previous_id"], ["probes.id"], name="fk_promotions_previous_id_probes"),
        sa.PrimaryKeyConstraint("id", name="pk_promotions"),
    )
    op.create_index("ix_promotions_decoder", "promotions", ["decoder", "domain", "id"])
    op.create_table(
        "trainings",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("decoder", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("slot", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("report", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("started_at", TIME, server_default=NOW, nullable=False),
        sa.Column("alive_at", TIME, server_default=NOW, nullable=False),
        sa.Column("ended_at", TIME),
        sa.CheckConstraint("state IN ('running', 'done', 'failed')", name=op.f("ck_trainings_state")),
        sa.PrimaryKeyConstraint("id", name="pk_trainings"),
        sa.UniqueConstraint("decoder", "domain", "slot", name="uq_trainings_decoder_domain_slot"),
    )
    op.create_table(
        "feature_specs",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("used_at", TIME, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_feature_specs"),
    )
    op.add_column("predictions", sa.Column("zero", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.add_column("predictions", sa.Column("tokens", sa.Double()))
    op.add_column("predictions", sa.Column("window_id", sa.UUID()))
    op.create_index("ix_queries_run_id", "queries", ["run_id", "id"])


def downgrade() -> None:
    """Probes whose weights lie elsewhere are forgotten; the population's prior then takes their place."""
    op.drop_index("ix_queries_run_id", table_name="queries")
    op.drop_column("predictions", "window_id")
    op.drop_column("predictions", "tokens")
    op.drop_column("predictions", "zero")
    op.drop_table("feature_specs")
    op.drop_table("trainings")
    op.drop_table("promotions")
    op.execute("DELETE FROM probes WHERE weights IS NULL")
    op.drop_constraint("ck_probes_weights", "probes")
    op.alter_column("probes", "weights", nullable=False)
    op.drop_column("probes", "url")
    op.drop_column("probes", "parent")
    op.drop_column("probes", "data")
