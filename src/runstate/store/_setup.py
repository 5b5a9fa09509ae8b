"""
What both kinds of store are made of, and what they log.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, cast
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from .._text import printable
from ..lifecycle._roles import cancelling_rows, claim_rows
from ..lifecycle._rows import BAD_OUTCOMES
from ..lifecycle._table import Lifecycle, check_lifecycle
from ..runs._driver_errors import driver_message, is_denied
from ..runs._engine import RunEngine, check_conditions
from ..runs._log import Moved, MoveLog
from ..runs._models import RunResponse
from ..runs._mover import Condition
from ._after_commit import at_commit
from ._arguments import check_flag, mapping
from ._dialects import database_of
from ._hooks import Hook, Hooks
from ._install import check_installed, install
from ._kinds import ANSWER, Kind, RecordKind, RunKind
from ._layout import RUN_LAYOUT, Layout, layout_of
from ._operations import Operations
from ._own_operations import OwnKind, OwnOperations
from ._own_rows import OwnRows
from ._records import check_expires_after
from ._row_errors import UnreadableRunError, wrong_argument
from ._sql import Deadlines
from ._statements import Statements
from ._tables import Tables, build_tables
from ._verdicts import Applied, Fire, Illegal, StoreVersionError, Superseded, Verdict
from ._wake import check_listens, check_unpooled

__all__ = ["Setup", "rows_of", "tables_of"]

_CANCEL_SECONDS: Final = 60.0
"""A cancel that no worker confirms takes effect after a minute."""
_T = TypeVar("_T")


class _NoLog:
    """
    Swallows what the engine would log of a payload: the store logs its own refusals.
    """

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class Setup(Generic[_T]):
    """
    The parts of a store, for one dialect.
    """

    def __init__(
        self,
        dialect: sa.Dialect,
        lifecycle: Lifecycle,
        model: type[_T] | None,
        *,
        prefix: str | None,
        columns: Mapping[str, Any] = MappingProxyType({}),
        claim: str | None = None,
        conditions: Mapping[str, Condition] = MappingProxyType({}),
        expires_after: int | None = None,
        deadlines: Deadlines | None = None,
        clock: str | None = None,
        new_id: Callable[[], str] | None = None,
        logger: Any = None,
        adopt_lifecycle: bool = False,
        schema: str | None = None,
        install: bool = True,
        max_claims: tuple[int, str] | None = None,
        before: Iterable[Hook] = (),
        after: Iterable[Hook] = (),
        table: Any = None,
        where: Any = None,
        notify: bool = False,
    ) -> None:
        check_lifecycle(lifecycle)
        check_flag("install", install)
        check_flag("notify", notify)
        if notify:
            check_listens(dialect)
        self.notify = notify
        """Whether the commit of a move wakes those who watch."""
        check_flag("adopt_lifecycle", adopt_lifecycle)
        if clock is not None and not isinstance(clock, str):
            raise wrong_argument("clock", "an SQL expression, as text, or None", clock)
        own = self._own = rows_of(table, lifecycle, columns, dialect, clock, where)
        layout, self.tables = tables_of(dialect, lifecycle, model, columns, prefix, schema, own)
        if adopt_lifecycle and not install:
            raise ValueError("adopt_lifecycle=True records the lifecycle: it needs install=True")
        check_expires_after(expires_after)
        check_conditions(lifecycle, mapping("conditions", conditions))
        claims = claim_rows(lifecycle, claim)
        if claim is not None and not claims:
            raise ValueError(
                f"claim: expected a trigger of {lifecycle.name} that leads to a status that is not "
                f"terminal, without a payload and without a condition, got {claim!r}"
            )
        ours = {s: (_CANCEL_SECONDS, t) for s, t in cancelling_rows(lifecycle).items()}
        deadlines = {**ours, **mapping("deadlines", deadlines or {})}
        for status, due in deadlines.items():
            _check_deadline(lifecycle, status, *due)
        if max_claims is not None:
            _check_max_claims(lifecycle, [str(row.source) for row in claims], max_claims)
        self.lifecycle = lifecycle
        self._adopts, self._installs = adopt_lifecycle, install
        database = database_of(dialect)
        self.database = database
        self.immediate = database == "sqlite"
        self.places = database == "mariadb"
        """Whether the lines of the feed are given their places once they are committed."""
        hooks = Hooks(before, after, dialect)
        self.needs_transaction = database != "postgresql" or bool(hooks) or own is not None
        """Whether an operation is several statements."""
        if expires_after is not None and layout.deadline is None:
            raise ValueError(f"expires_after: {lifecycle.name} has no field for a deadline")
        if new_id is not None and not callable(new_id):
            raise wrong_argument("new_id", "a function that returns an id, or None", new_id)
        new_id = new_id or (lambda: f"{layout.noun}_{uuid4().hex}")
        make = RecordKind if own is None else OwnKind
        kind: Any = (
            RunKind(lifecycle, RunEngine(lifecycle, new_id=new_id, logger=_NoLog()))
            if model is RunResponse
            else make(lifecycle, layout, model, new_id, conditions)
        )
        parts: Any = (
            self.tables,
            lifecycle,
            layout,
            Statements(
                self.tables, lifecycle, layout, claims, deadlines, clock, dialect, max_claims, own
            ),
            cast(Kind[_T], kind),
            expires_after,
            self._unreadable,
            hooks,
        )
        self.operations: Operations[_T] = (
            Operations(*parts) if own is None else OwnOperations(own, *parts)
        )
        self._log = MoveLog(logger, lifecycle.name)

    def install(self, connection: sa.Connection) -> None:
        """
        Make or migrate the tables; only look at them where the store was opened to change nothing.

        Raises:
            StoreVersionError: The tables cannot be used, or the role of *connection* may not make them.
            LifecycleMismatchError: They were made with another lifecycle.
        """
        try:
            self._install(connection)
        except DBAPIError as error:
            if not is_denied(error.orig):
                raise
            raise StoreVersionError(
                f"one that this role may not make or read ({driver_message(error.orig)})",
                "execute the statements of runstate.store.schema_sql(), or a migration, as a role "
                "that may, grant this one the privileges of a worker, and open it with install=False",
            ) from error

    def _install(self, connection: sa.Connection) -> None:
        if self._own is not None:
            self._own.check(connection)
        if self.notify:
            check_unpooled(connection)
        if self._installs:
            install(connection, self.tables, self.lifecycle, self._adopts, notify=self.notify)
        else:
            check_installed(connection, self.tables, self.lifecycle, notify=self.notify)

    def log(self, connection: sa.Connection | None, moved: Iterable[Moved]) -> None:
        """
        Log moves: now, or when the caller's transaction on *connection* is committed.
        """
        for each in moved:
            if connection is None:
                self._say(each)
            else:
                at_commit(connection, partial(self._say, each))

    def tell(self, connection: sa.Connection | None, fire: Fire, verdict: Verdict) -> None:
        """
        Log what became of a trigger.
        """
        if isinstance(verdict, Applied):
            self.log(connection, [verdict.moved])
        elif not verdict.ok:
            self.refused(fire, verdict)

    def _say(self, moved: Moved) -> None:
        bad = self.lifecycle.terminal.get(moved.target) in BAD_OUTCOMES
        if bad or not self._log.silent:
            self._log.moved(moved, bad)

    def _unreadable(self, error: UnreadableRunError) -> None:
        self._log.unreadable(error.run_id, error.reason)

    def refused(self, fire: Fire, verdict: Verdict) -> None:
        """
        Log that nothing was moved.
        """
        status = verdict.status if isinstance(verdict, Superseded | Illegal) else None
        kind = type(verdict).__name__.lower()
        self._log.refused(printable(fire.run_id, 512), fire.trigger, status, kind, None)


def tables_of(
    dialect: sa.Dialect,
    lifecycle: Lifecycle,
    model: Any,
    columns: Mapping[str, Any],
    prefix: str | None,
    schema: str | None,
    own: OwnRows | None = None,
) -> tuple[Layout, Tables]:
    """
    Return the layout and the tables of a store on the database of *dialect*.

    Raises:
        ValueError: No store lives there, or an option makes no sense.
    """
    database = database_of(dialect)
    if own is not None:
        if model is RunResponse:
            raise ValueError(
                "table: runs have tables of their own; open a Store with another model"
            )
        columns = {}
    layout = RUN_LAYOUT if model is RunResponse else layout_of(lifecycle, columns)
    prefix = _prefix_of(lifecycle) if prefix is None else prefix
    if own is not None:
        layout = layout._replace(keys=own.key.types)
    tables = build_tables(prefix, schema, lifecycle, layout, database)
    if own is not None and own.table.fullname in {each.fullname for each in tables}:
        raise ValueError(
            f"table: {own.table.fullname} is the name of a table of the store; choose another prefix="
        )

    return layout, tables


def rows_of(
    table: Any,
    lifecycle: Lifecycle,
    columns: Mapping[str, Any],
    dialect: sa.Dialect,
    clock: str | None = None,
    where: Any = None,
) -> OwnRows | None:
    """
    Return the rows of the application's own *table* that meet *where*; None without a table.

    Raises:
        ValueError: A store cannot work with the table, or with the condition.
    """
    if table is not None:
        return OwnRows(table, lifecycle, mapping("columns", columns), dialect, clock, where)
    if where is not None:
        raise wrong_argument("where", "None without table=, whose rows it restricts", where)

    return None


def _check_deadline(lifecycle: Lifecycle, status: str, seconds: float, trigger: str) -> None:
    row = lifecycle.row(trigger, status)
    if row is None or not 0 <= seconds < math.inf:
        raise ValueError(
            "deadlines: expected seconds from 0 on and a trigger that leads out of "
            f"{status!r}, got {seconds!r} and {trigger!r}"
        )
    # A sweep that had to make up an error, or an answer, could move nothing at all.
    if trigger == ANSWER or lifecycle.entry(row.target).requires:
        raise ValueError(f"no deadline: {trigger!r} needs a payload, which no sweep has")


def _check_max_claims(lifecycle: Lifecycle, ready: Iterable[str], max_claims: Any) -> None:
    if not isinstance(max_claims, tuple | list) or len(max_claims) != 2:
        raise wrong_argument("max_claims", "a number and a trigger, as (5, 'fail')", max_claims)
    most, trigger = max_claims
    if type(most) is not int or not 0 < most < 2**31:
        raise wrong_argument("max_claims", "a positive whole number", most)
    for status in ready:
        row = lifecycle.row(trigger, status)
        if row is None:
            raise wrong_argument("max_claims", f"a trigger that leads out of {status!r}", trigger)
        if lifecycle.terminal and not lifecycle.is_terminal(row.target):
            raise wrong_argument("max_claims", f"a trigger that ends what is {status!r}", trigger)
        _check_deadline(lifecycle, status, 0, trigger)


def _prefix_of(lifecycle: Lifecycle) -> str:
    """
    Return how the names of the tables begin, where nobody said: as the lifecycle is called.
    """
    name = re.sub("[^a-z0-9]+", "_", lifecycle.name.lower()).strip("_")

    return f"{name if name[:1].isalpha() else f'x{name}'}"[:39] + "_"
