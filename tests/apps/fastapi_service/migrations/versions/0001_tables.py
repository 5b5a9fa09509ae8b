"""The tables of each tenant's store, and guards on the runs."""

from agents import TENANTS
from alembic import op

from runstate import RUN
from runstate.ddl import TableGuard
from runstate.store import schema_sql

revision, down_revision = "0001", None


def upgrade() -> None:
    """Make them in a schema a tenant."""
    execute = op.get_bind().exec_driver_sql
    for tenant in TENANTS.values():
        guard = TableGuard(RUN, "postgresql", table=f"{tenant}.runstate_runs")
        for statement in (*schema_sql("postgresql", schema=tenant), *guard.statements):
            execute(statement)
