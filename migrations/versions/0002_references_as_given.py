"""References of code queries are kept as given: jsonb turns 1e22, a float, into a whole number."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE queries ALTER COLUMN reference TYPE json USING reference::json")


def downgrade() -> None:
    op.execute("ALTER TABLE queries ALTER COLUMN reference TYPE jsonb USING reference::jsonb")
