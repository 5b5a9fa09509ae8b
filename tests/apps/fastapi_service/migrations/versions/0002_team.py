"""One more column, which the application fills by itself."""

import sqlalchemy as sa
from agents import TENANTS
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    """Add it for each tenant."""
    for tenant in TENANTS.values():
        op.add_column("runstate_runs", sa.Column("team", sa.Text), schema=tenant)
