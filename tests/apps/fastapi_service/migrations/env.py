"""Alembic's environment: both tenants' schemas, and the tables of the stores as the target."""

import sqlalchemy as sa
from agents import LIFECYCLE, TENANTS, URL
from alembic import context

from runstate import RunResponse
from runstate.store import metadata

target = [
    metadata("postgresql", LIFECYCLE, model=RunResponse, prefix="runstate_", schema=tenant)
    for tenant in TENANTS.values()
]
for tables in target:
    for table in tables.tables.values():
        if table.name == "runstate_runs":
            table.append_column(sa.Column("team", sa.Text))

with sa.create_engine(sa.make_url(URL).set(drivername="postgresql+psycopg")).begin() as connection:
    context.configure(connection, target_metadata=target, include_schemas=True)
    context.run_migrations()
