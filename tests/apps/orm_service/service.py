"""
Exports that customers order and workers write: an ORM service on SQLite.

``python service.py migrate|order NAME…|work NAME|withdraw NAME|serve|prune DAYS``; URL names the database.
"""

import os
import sys
from datetime import datetime
from enum import Enum
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import orm

from runstate import load_lifecycle
from runstate.ddl import TableGuard
from runstate.store import Store, schema_sql

HERE = Path(__file__).parent
LIFECYCLE = load_lifecycle(os.environ.get("LIFECYCLE", HERE / "lifecycle.toml"))
LEASE = float(os.environ.get("LEASE_SECONDS", "30"))
GUARD = TableGuard(LIFECYCLE, "sqlite", table="exports", column="state")
State = Enum("State", {str(status).upper(): str(status) for status in LIFECYCLE.statuses})


class Base(orm.DeclarativeBase):
    """
    The tables of the service.
    """


class Export(Base):
    """
    One export; the database holds the values of the Enum, which the guard knows.
    """

    __tablename__ = "exports"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    state: orm.Mapped[State] = orm.mapped_column(
        sa.Enum(State, values_callable=lambda states: [s.value for s in states], length=20),
        default=State.ORDERED, index=True,
    )  # fmt: skip
    name: orm.Mapped[str] = orm.mapped_column(sa.String(40))
    started_at: orm.Mapped[datetime | None]
    ended_at: orm.Mapped[datetime | None]
    error: orm.Mapped[str | None]
    edition: orm.Mapped[int] = orm.mapped_column()
    __mapper_args__ = {"version_id_col": edition}  # noqa: RUF012


ENGINE = sa.create_engine(os.environ["URL"], connect_args={"timeout": 30})


def first(op):
    """Make the tables: the service's, the store's and the guard."""
    Base.metadata.create_all(op.get_bind())
    for statement in (*schema_sql("sqlite", LIFECYCLE, table=Export), *GUARD.statements):
        op.get_bind().exec_driver_sql(statement)


def wider_names(op):
    """Rebuild the table for another column, and make the guard again."""
    with op.batch_alter_table("exports", recreate="always") as batch:
        batch.alter_column("name", type_=sa.String(200))
    guard(op)


def guard(op):
    """Make the guard as this release has it."""
    for statement in GUARD.statements:
        op.get_bind().exec_driver_sql(statement)


MIGRATIONS = {"first": first, "wider_names": wider_names, "guard": guard}


def opened(**options):
    """Return the store of the exports."""
    return Store(ENGINE, LIFECYCLE, table=Export, **options)


def main(command, *names):
    """Carry out one command."""
    if command == "migrate":
        with ENGINE.begin() as connection:
            MIGRATIONS[names[0]](Operations(MigrationContext.configure(connection)))
    elif command == "order":
        with orm.Session(ENGINE) as session, session.begin():
            session.add_all([Export(name=name) for name in names])
    elif command == "work":
        work(opened(install=False), names[0])
    elif command == "withdraw":
        with orm.Session(ENGINE) as session, session.begin():
            export = session.scalars(sa.select(Export).where(Export.name == names[0])).one()
            verdict = opened(install=False).fire(str(export.id), "withdraw", connection=session)
            print(type(verdict).__name__)
    elif command == "adopt_lifecycle":
        opened(adopt_lifecycle=True)
    elif command == "prune":
        print(opened(install=False).prune(older_than=float(names[0]) * 86_400))


def work(store, worker):
    """Write exports until none is waiting."""
    while True:
        store.sweep()
        lease = store.claim(worker, LEASE)
        if lease is None:
            return
        name = lease.run.name
        print("took", name, flush=True)
        if name == "slow":
            sys.stdin.readline()
        trigger, payload = ("fail", {"error": "no data"}) if name == "bad" else ("deliver", {})
        verdict = store.fire(lease.id, trigger, token=lease.token, actor=worker, **payload)
        print(name, type(verdict).__name__, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
