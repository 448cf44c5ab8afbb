"""Sequential allocation: open queries with their predictions, an account for each tenant, deadlines.

A query has several allocations now, told apart by their first sample. Earlier ones keep their place: each
query had one, from sample 0.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = postgresql.TIMESTAMP(timezone=True)
STATES = "state IN ('features', 'window', {}'sampling', 'closed')"


def upgrade() -> None:
    op.add_column(
        "runs", sa.Column("is_batch", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("runs", sa.Column("sealed_queries", sa.Integer(), nullable=True))
    _upgrade_accounts()
    _upgrade_queries()
    op.create_table(
        "predictions",
        sa.Column("query_id", sa.UUID(), nullable=False),
        sa.Column("alpha", sa.Double(), nullable=False),
        sa.Column("beta", sa.Double(), nullable=False),
        sa.Column("curve_a", sa.Double(), nullable=True),
        sa.Column("curve_b", sa.Double(), nullable=True),
        sa.Column("curve_c", sa.Double(), nullable=True),
        sa.Column("probe", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["query_id"], ["queries.id"], name="fk_predictions_query_id_queries"),
        sa.PrimaryKeyConstraint("query_id", name="pk_predictions"),
    )
    op.add_column("allocations", sa.Column("index", sa.Double(), nullable=True))
    op.drop_constraint("uq_allocations_query_id_round", "allocations")
    op.create_unique_constraint(
        "uq_allocations_query_id_first_sample", "allocations", ["query_id", "first_sample"]
    )
    op.drop_column("allocations", "round")


def _upgrade_accounts() -> None:
    op.add_column("accounts", sa.Column("base_price", sa.Double(), nullable=True))
    op.add_column("accounts", sa.Column("price", sa.Double(), nullable=True))
    for name in ("entered_at", "served_at"):
        op.add_column("accounts", sa.Column(name, TIME, server_default=sa.text("now()"), nullable=False))
    op.drop_constraint("pk_accounts", "accounts")
    op.create_primary_key("pk_accounts", "accounts", ["run_id", "tenant"])


def _upgrade_queries() -> None:
    op.add_column(
        "queries", sa.Column("tenant", sa.Text(), server_default=sa.text("'default'"), nullable=False)
    )
    op.add_column("queries", sa.Column("drawn", sa.Integer(), server_default="0", nullable=False))
    op.add_column("queries", sa.Column("next_index", sa.Double(), nullable=True))
    op.add_column("queries", sa.Column("deadline_at", TIME, nullable=True))
    op.drop_constraint("uq_queries_run_id_external_id", "queries")
    op.create_unique_constraint(
        "uq_queries_run_id_tenant_external_id", "queries", ["run_id", "tenant", "external_id"]
    )
    op.drop_constraint("ck_queries_state", "queries")
    op.create_check_constraint("state", "queries", STATES.format("'open', "))
    op.drop_index("ix_queries_window", "queries")
    op.create_index(
        "ix_queries_window",
        "queries",
        ["run_id", "tenant", "created_at", "id"],
        postgresql_where=sa.text("state = 'window'"),
    )
    op.create_index(
        "ix_queries_open",
        "queries",
        ["run_id", "tenant", sa.text("next_index DESC NULLS FIRST")],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_queries_deadline",
        "queries",
        ["deadline_at"],
        postgresql_where=sa.text("deadline_at IS NOT NULL AND state <> 'closed'"),
    )


def downgrade() -> None:
    """Goes back where no query is open and no tenant but the default has an account."""
    op.add_column("allocations", sa.Column("round", sa.SmallInteger(), nullable=True))
    op.execute(
        "UPDATE allocations a SET round = (SELECT count(*) FROM allocations b "
        "WHERE b.query_id = a.query_id AND b.first_sample < a.first_sample)"
    )
    op.alter_column("allocations", "round", nullable=False)
    op.drop_constraint("uq_allocations_query_id_first_sample", "allocations")
    op.create_unique_constraint("uq_allocations_query_id_round", "allocations", ["query_id", "round"])
    op.drop_column("allocations", "index")
    op.drop_table("predictions")
    _downgrade_queries()
    op.drop_constraint("pk_accounts", "accounts")
    op.create_primary_key("pk_accounts", "accounts", ["run_id"])
    for name in ("served_at", "entered_at", "price", "base_price"):
        op.drop_column("accounts", name)
    op.drop_column("runs", "sealed_queries")
    op.drop_column("runs", "is_batch")


def _downgrade_queries() -> None:
    for name in ("ix_queries_deadline", "ix_queries_open", "ix_queries_window"):
        op.drop_index(name, "queries")
    op.create_index(
        "ix_queries_window",
        "queries",
        ["run_id", "created_at", "id"],
        postgresql_where=sa.text("state = 'window'"),
    )
    op.drop_constraint("ck_queries_state", "queries")
    op.create_check_constraint("state", "queries", STATES.format(""))
    op.drop_constraint("uq_queries_run_id_tenant_external_id", "queries")
    op.create_unique_constraint("uq_queries_run_id_external_id", "queries", ["run_id", "external_id"])
    for name in ("deadline_at", "next_index", "drawn", "tenant"):
        op.drop_column("queries", name)
