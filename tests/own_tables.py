"""
Stores in a table of the application's own, made to fit the suite that checks any store.
"""

from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import count

import sqlalchemy as sa

from databases import awaited
from runstate.store import AsyncStore, Store
from runstate.testing import CAPABILITIES
from stores_under_test import CLOCK, Loop, make_clock
from test_store_presets import AnySubject, AnyWithin, limits_of

__all__ = ["AsyncOwnSubject", "OwnSubject", "SeveralColumns", "subjects_of", "table_of"]


def table_of(lifecycle, key=sa.Integer, name="things"):
    """
    Return a table for objects of *lifecycle*, as an application would have declared it.

    Its primary key is a number of type *key*; None for a key of two columns, a text and a number.
    """
    length = max(len(str(status)) for status in lifecycle.statuses)
    attempt = [sa.Column(lifecycle.attempt_field, sa.Integer)] if lifecycle.reopenings else []
    own = {lifecycle.status_field, lifecycle.id_field, lifecycle.attempt_field}

    return sa.Table(
        name,
        sa.MetaData(),
        *(_columns_of_a_key() if key is None else [sa.Column("number", key, primary_key=True)]),
        sa.Column(lifecycle.status_field, sa.String(length), nullable=False, index=True),
        *attempt,
        *(
            # Every other column is a date, the rest are numbers.
            sa.Column(field, sa.DateTime if at % 2 else sa.BigInteger)
            for at, field in enumerate(lifecycle.stamp_fields)
            if field not in own
        ),
        *(
            sa.Column(field, sa.JSON(none_as_null=True))
            for field in lifecycle.detail_fields
            if field not in own
        ),
        sa.Column("note", sa.String(40)),
    )


def _columns_of_a_key():
    numbers = count(1)

    return [
        sa.Column("tenant", sa.String(20), primary_key=True, default='a "b",c'),
        sa.Column(
            "number", sa.Integer, primary_key=True, autoincrement=False,
            default=lambda: next(numbers),
        ),
    ]  # fmt: skip


class OwnSubject(AnySubject):
    """
    A Store in a table of the application's own, under test.
    """

    key = sa.Integer

    def open(self, url, **options):
        """
        Open the store.
        """
        self.deadlines = limits_of(self.lifecycle)
        self.limits = {status: seconds for status, (seconds, _) in self.deadlines.items()}
        self.enter(url, table=table_of(self.lifecycle, self.key), clock=CLOCK, deadlines=self.deadlines,
                   durable=False, prefix="beside_", **options)  # fmt: skip

    def enter(self, url, **options):
        """
        Open the store with *options*.
        """
        self.store = self._stack.enter_context(Store.open(url, self.lifecycle, **options))
        self.engine = self.store.engine

    def fields(self, run_id):
        """See the protocol."""
        found = super().fields(run_id)

        return {
            name: value.replace(tzinfo=UTC).timestamp() if isinstance(value, datetime) else value
            for name, value in found.items()
        }

    @contextmanager
    def transaction(self):
        """See the protocol."""
        with self.store.engine.begin() as connection:
            yield OwnWithin(self, connection)


class OwnWithin(AnyWithin, OwnSubject):
    """
    The same, in a transaction of the caller's.
    """


class SeveralColumns(OwnSubject):
    """
    A Store in a table whose key has two columns.
    """

    key = None


class AsyncOwnSubject(OwnSubject):
    """
    An AsyncStore in a table of the application's own, driven by a loop in a thread.
    """

    def call(self, method, *args, **options):
        """
        Return what the store's method comes to.
        """
        return self._await(super().call(method, *args, **options))

    def enter(self, url, **options):
        """
        Open the store in its loop.
        """
        self._await = Loop()
        self._stack.callback(self._await.close)
        self.store = self._await(AsyncStore.open(awaited(url), self.lifecycle, **options))
        self._stack.callback(lambda: self._await(self.store.close()))
        self.engine = self.store.engine.sync_engine

    @contextmanager
    def transaction(self):
        """See the protocol."""
        begun = self.store.engine.begin()
        within = OwnWithin(self, self._await(begun.__aenter__()))
        within.call = lambda *args, **options: self.call(*args, **options, **within._own)
        try:
            yield within
        except BaseException as error:
            self._await(begun.__aexit__(type(error), error, None))
            raise
        self._await(begun.__aexit__(None, None, None))


def subjects_of(lifecycle, fresh, kind=OwnSubject, without=()):
    """
    Return what makes a fresh store of *lifecycle* in a database that *fresh* yields.
    """
    capabilities = frozenset(CAPABILITIES) - {*without}
    made = type("Of", (kind,), {"lifecycle": lifecycle, "capabilities": capabilities})

    @contextmanager
    def make():
        with fresh() as url, ExitStack() as stack:
            make_clock(url)
            engine = sa.create_engine(url)
            table_of(lifecycle, kind.key).create(engine)
            engine.dispose()
            yield made(url, stack)

    return make
