"""The second release's lifecycle: recorded in the stores, and in the guards."""

from agents import LIFECYCLE, TENANTS, URL
from alembic import op

from runstate.ddl import TableGuard
from runstate.store import RunStore

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    """Adopt it for each tenant."""
    for tenant in TENANTS.values():
        RunStore.open(URL, lifecycle=LIFECYCLE, schema=tenant, adopt_lifecycle=True).close()
        guard = TableGuard(LIFECYCLE, "postgresql", table=f"{tenant}.runstate_runs")
        for statement in guard.statements:
            op.get_bind().exec_driver_sql(statement)
