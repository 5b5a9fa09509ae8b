"""
Stores for asyncio.

Made of ``_store.py``: do not edit; see ``tests/make_async_store.py``.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, Self, TypeVar

from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ..runs._models import RunResponse
from ..runs._mover import Condition
from ..runs._run import RUN
from ._arguments import merged, several
from ._async_transactions import AsyncTransactions, Caller, Engine, caller_of, dialect_of
from ._hooks import Hook
from ._named_moves import NamedMoves
from ._operations import Creation
from ._setup import Setup
from ._verdicts import Fire, Held, History, JournalEntry, Lease, Page, Stale, Verdict
from ._watching import AsyncWatching

__all__ = ["AsyncRunStore", "AsyncStore"]

_T = TypeVar("_T")


class AsyncStore(AsyncTransactions[_T], AsyncWatching):
    """
    Keeps the objects of a lifecycle in a database, and moves each by one writer at a time.

    State, journal and feed are one transaction: a store's own, committed when the
    method returns, or the caller's, where one is given as *connection*. For one event loop.
    Losing a race is an answer, not an exception: see :data:`Verdict`. What is called a run
    here is whatever the lifecycle is about; messages call it by the lifecycle's name.
    """

    def __init__(
        self,
        engine: Engine,
        lifecycle: Lifecycle,
        *,
        model: type[_T] | None = None,
        columns: Mapping[str, type] | Mapping[str, str] = MappingProxyType({}),
        table: Any = None,
        where: Any = None,
        claim: str | None = None,
        conditions: Mapping[str, Condition] = MappingProxyType({}),
        prefix: str | None = None,
        expires_after: int | None = None,
        deadlines: Mapping[str, tuple[float, str]] | None = None,
        clock: str | None = None,
        new_id: Callable[[], str] | None = None,
        logger: Any = None,
        adopt_lifecycle: bool = False,
        schema: str | None = None,
        install: bool = True,
        max_claims: tuple[int, str] | None = None,
        before: Iterable[Hook] = (),
        after: Iterable[Hook] = (),
        notify: bool = False,
    ) -> None:
        """
        Use *engine*, the caller's own, and make or migrate the tables in its database.

        With an asyncio engine, :meth:`AsyncStore.install` makes them.

        After a fork, the child must make an engine of its own, as SQLAlchemy requires;
        only a store from :meth:`open` does that by itself.

        Args:
            engine: For SQLite, PostgreSQL or MariaDB. The caller closes it.
            lifecycle: The table.
            model: The class of the objects: a model of pydantic or a dataclass, with a field
                for the status. None for plain records, dictionaries whose keys are attributes
                too. The store gives an object what its model has fields for: id and status
                under the lifecycle's names, the columns, stamps and details, ``version``, and
                the attempt.
            columns: The application's own columns by name, each with its type: str, int, float
                or bool. Lists and claims can be restricted by them. With *table*, the names of
                its columns that differ from the lifecycle's, by field: ``{"status": "state"}``.
            table: The application's own table, or a mapped class: the objects are its rows. It
                has a primary key of Integer, String or Uuid and a column for the status
                (String, Text or Enum), and is in the database already; the store's tables are
                beside it. The id of a row whose key has several columns is made by
                :func:`row_id`, and such a row is created with the values of its key. A row that something else inserts or moves is adopted: the
                journal gets a line without a trigger, with the reason ``adopted``.
            where: A condition on columns of *table*, such as ``Job.kind == "export"``: the store
                has only the rows that meet it. It names no column that a move sets, and no
                other table; None for all rows.
            claim: The trigger by which a worker takes an object; by default ``start``, or the
                first that leads to a status from which an object can succeed.
            conditions: What each name in ``when`` and ``unless`` of the rows stands for: a
                function that is called with the object and returns whether it holds. It
                changes nothing, and is asked again where another writer was faster.
            prefix: How the names of the tables begin: lower-case letters, digits and
                underscores. By default the name of the lifecycle.
            expires_after: Seconds from a run's creation to its deadline, at which a
                sweep ends it, also while a worker holds it; None for no such time. One
                run's own is given to :meth:`create`.
            deadlines: By status, the seconds that a run may be in it and the trigger that
                ends it then, besides 60 for every status in which a cancel
                waits to be confirmed. Every
                process that uses the store should give the same.
            clock: An SQL expression for the time in Unix seconds; the database's own clock
                by default.
            new_id: Makes the id of a run that is created without one.
            logger: A structlog logger.
            adopt_lifecycle: True to record *lifecycle* where the store was made with another.
            schema: The schema of the tables on PostgreSQL; by default the first of the
                connection's ``search_path``. Other databases have none.
            install: False to make and migrate nothing, where a migration of your own does it
                with :func:`schema_sql`: tables that are missing or of another version are an
                error.
            max_claims: How often an object may be claimed, and the trigger by which a sweep ends
                it then, as ``(5, "discard")``; claims are counted across re-queues.
            before: Callables that see each :class:`MoveEvent` of ``fire``, ``fire_many`` and
                ``sweep`` before the move, within its transaction. An error that one raises
                undoes the move and reaches the caller. For asyncio, coroutine functions too.
            after: The same after the move, also of ``create``, ``create_many`` and claims.
            notify: Whether the commit of a move wakes those who watch, by PostgreSQL's NOTIFY; with
                psycopg, and without a pooler. Each :meth:`watch` then has a connection of its own.

        Raises:
            ValueError: An option makes no sense, or the engine knows no transactions.
            LifecycleError: *conditions* lacks a name that the rows have, or has one that they lack.
        """
        setup = Setup(
            dialect_of(engine),
            lifecycle,
            model,
            columns=columns,
            table=table,
            where=where,
            claim=claim,
            conditions=conditions,
            prefix=prefix,
            expires_after=expires_after,
            deadlines=deadlines,
            clock=clock,
            new_id=new_id,
            logger=logger,
            adopt_lifecycle=adopt_lifecycle,
            schema=schema,
            install=install,
            max_claims=max_claims,
            before=before,
            after=after,
            notify=notify,
        )
        super().__init__(engine, setup)

    @classmethod
    async def open(
        cls,
        url: str,
        lifecycle: Lifecycle,
        *,
        model: type[_T] | None = None,
        columns: Mapping[str, type] | Mapping[str, str] = MappingProxyType({}),
        table: Any = None,
        where: Any = None,
        claim: str | None = None,
        conditions: Mapping[str, Condition] = MappingProxyType({}),
        durable: bool = True,
        timeout: float = 30.0,
        pooler: bool | None = None,
        prefix: str | None = None,
        expires_after: int | None = None,
        deadlines: Mapping[str, tuple[float, str]] | None = None,
        clock: str | None = None,
        new_id: Callable[[], str] | None = None,
        logger: Any = None,
        adopt_lifecycle: bool = False,
        schema: str | None = None,
        install: bool = True,
        max_claims: tuple[int, str] | None = None,
        before: Iterable[Hook] = (),
        after: Iterable[Hook] = (),
        notify: bool = False,
    ) -> Self:
        """
        Open the store at *url*, and make or migrate its tables.

        Args:
            url: ``sqlite:///runs.db``, ``postgresql://host/database`` or
                ``mariadb://host/database``. Without a driver, the usual one: pysqlite, psycopg
                and pymysql, or for asyncio aiosqlite, psycopg and aiomysql. ``postgres://`` is
                the same as ``postgresql://``.
            lifecycle: The table.
            model: The class of the objects: a model of pydantic or a dataclass, with a field
                for the status. None for plain records, dictionaries whose keys are attributes
                too. The store gives an object what its model has fields for: id and status
                under the lifecycle's names, the columns, stamps and details, ``version``, and
                the attempt.
            columns: The application's own columns by name, each with its type: str, int, float
                or bool. Lists and claims can be restricted by them. With *table*, the names of
                its columns that differ from the lifecycle's, by field: ``{"status": "state"}``.
            table: The application's own table, or a mapped class: the objects are its rows. It
                has a primary key of Integer, String or Uuid and a column for the status
                (String, Text or Enum), and is in the database already; the store's tables are
                beside it. The id of a row whose key has several columns is made by
                :func:`row_id`, and such a row is created with the values of its key. A row that something else inserts or moves is adopted: the
                journal gets a line without a trigger, with the reason ``adopted``.
            where: A condition on columns of *table*, such as ``Job.kind == "export"``: the store
                has only the rows that meet it. It names no column that a move sets, and no
                other table; None for all rows.
            claim: The trigger by which a worker takes an object; by default ``start``, or the
                first that leads to a status from which an object can succeed.
            conditions: What each name in ``when`` and ``unless`` of the rows stands for: a
                function that is called with the object and returns whether it holds. It
                changes nothing, and is asked again where another writer was faster.
            durable: Whether committed moves outlive a power cut, also where the PostgreSQL
                server or role has ``synchronous_commit`` off. If False, moves are faster.
                SQLite then loses none when any process dies, and may lose the last ones
                in a power cut. MariaDB decides for itself, by its own configuration. PostgreSQL may lose those of about the last second when the
                server crashes, and it does so when any one of its backends is killed.
            timeout: Seconds to wait for SQLite's write lock.
            pooler: Whether a connection pooler such as PgBouncer is between the store and
                PostgreSQL; None to find out at connect. Behind one, the store prepares no
                statements and sends every operation as one transaction. False for a pooler
                that gives each client a server connection of its own.
            prefix: How the names of the tables begin: lower-case letters, digits and
                underscores. By default the name of the lifecycle.
            expires_after: Seconds from a run's creation to its deadline, at which a
                sweep ends it, also while a worker holds it; None for no such time. One
                run's own is given to :meth:`create`.
            deadlines: By status, the seconds that a run may be in it and the trigger that
                ends it then, besides 60 for every status in which a cancel
                waits to be confirmed. Every
                process that uses the store should give the same.
            clock: An SQL expression for the time in Unix seconds; the database's own clock
                by default.
            new_id: Makes the id of a run that is created without one.
            logger: A structlog logger.
            adopt_lifecycle: True to record *lifecycle* where the store was made with another.
            schema: The schema of the tables on PostgreSQL; by default the first of the
                connection's ``search_path``. Other databases have none.
            install: False to make and migrate nothing, where a migration of your own does it
                with :func:`schema_sql`: tables that are missing or of another version are an
                error.
            max_claims: How often an object may be claimed, and the trigger by which a sweep ends
                it then, as ``(5, "discard")``; claims are counted across re-queues.
            before: Callables that see each :class:`MoveEvent` of ``fire``, ``fire_many`` and
                ``sweep`` before the move, within its transaction. An error that one raises
                undoes the move and reaches the caller. For asyncio, coroutine functions too.
            after: The same after the move, also of ``create``, ``create_many`` and claims.
            notify: Whether the commit of a move wakes those who watch, by PostgreSQL's NOTIFY; with
                psycopg, and without a pooler. Each :meth:`watch` then has a connection of its own.

        Raises:
            StoreVersionError: The tables are of a later version, or of a lifecycle
                whose statuses this one does not know; or *install* is False, and they are
                missing or of an earlier version; or the role of the connection may not make or
                read them.
            LifecycleMismatchError: The store was made with another lifecycle.
            LifecycleError: *conditions* lacks a name that the rows have, or has one that they lack.
            ValueError: An option makes no sense.
            ImportError: The database's driver is not installed.
        """
        make = partial(
            cls,
            lifecycle=lifecycle,
            model=model,
            columns=columns,
            table=table,
            where=where,
            claim=claim,
            conditions=conditions,
            prefix=prefix,
            expires_after=expires_after,
            deadlines=deadlines,
            clock=clock,
            new_id=new_id,
            logger=logger,
            adopt_lifecycle=adopt_lifecycle,
            schema=schema,
            install=install,
            max_claims=max_claims,
            before=before,
            after=after,
            notify=notify,
        )

        return await cls._opened(make, url, durable=durable, timeout=timeout, pooler=pooler)

    # -- runs ----------------------------------------------------------------------

    async def create(
        self,
        data: Mapping[str, Any] = MappingProxyType({}),
        *,
        id: str | None = None,  # noqa: A002  the wire's own name
        status: str | None = None,
        key: str | None = None,
        not_before: float | None = None,
        expires_after: int | None = None,
        expires_at: int | None = None,
        connection: Caller | None = None,
        **fields: Any,
    ) -> _T:
        """
        Create a run, and return it.

        Args:
            data: Fields of the run that the lifecycle does not own, and columns.
            id: The run's id; a new one by default.
            status: The initial status to begin in, where the lifecycle has several; the
                default one if None.
            key: Idempotency key: of any number of calls under one key, one creates a run, and all
                return it. Without *id*, the key decides the id.
            not_before: When a worker may first claim the run, in Unix seconds; at once if None.
            expires_after: Seconds from now to the run's deadline, at which a sweep ends it,
                also while a worker holds it; None for what the store was opened
                with; by default the run does not expire.
            expires_at: That time itself, in Unix seconds; instead of *expires_after*.
            connection: The caller's transaction.
            fields: More of *data*, such as ``queue="gpu"``.

        Raises:
            RunExistsError: There is a run of that id already.
            LifecycleFieldError: A field is given that only a move may set.
            TypeError: The model has no field of that name.
            StoreArgumentError: A value is of the wrong type, or JSON cannot hold it; or *key* was
                used before, with other fields.
            pydantic.ValidationError: A field does not hold what the model says.
        """
        creation = Creation(id, status, expires_after, expires_at, not_before, key)
        made = await self._run(connection, self._do.create, merged(data, fields), creation)
        self._setup.log(caller_of(connection), made.moved)

        return made.object

    async def create_many(
        self,
        items: Iterable[Mapping[str, Any]],
        *,
        status: str | None = None,
        not_before: float | None = None,
        expires_after: int | None = None,
        expires_at: int | None = None,
        connection: Caller | None = None,
    ) -> tuple[_T, ...]:
        """
        Create runs in one statement, all or none, and return them in order.

        Args:
            items: The fields of each that the lifecycle does not own, and columns; its id, if
                it has one, as ``id``.
            status: The initial status that all begin in, where the lifecycle has several; the
                default one if None.
            not_before: When a worker may first claim any of them, in Unix seconds; at once if
                None.
            expires_after: Seconds from now to the deadline of all, at which a sweep ends them,
                also while a worker holds them; None for what the store was opened with; by
                default they do not expire.
            expires_at: That time itself, in Unix seconds; instead of *expires_after*.
            connection: The caller's transaction.

        Raises:
            RunExistsError: There is a run of one of the ids already.
            LifecycleFieldError: A field is given that only a move may set.
            TypeError: The model has no field of that name.
            StoreArgumentError: A value is of the wrong type, or JSON cannot hold it.
            pydantic.ValidationError: A field does not hold what the model says.
        """
        creation = Creation(None, status, expires_after, expires_at, not_before)
        listed = several("items", Mapping, "mappings, the fields of an object each", items)
        made = await self._run(connection, self._do.create_many, listed, creation)
        self._setup.log(caller_of(connection), made.moved)

        return made.object

    async def update(
        self,
        run_id: str,
        data: Mapping[str, Any] = MappingProxyType({}),
        *,
        connection: Caller | None = None,
        **fields: Any,
    ) -> _T:
        """
        Replace fields that the lifecycle does not own, and return the run.

        The run is not moved: its version and its journal stay as they are.

        Args:
            run_id: The run.
            data: The new values, columns among them; other fields keep theirs.
            connection: The caller's transaction.
            fields: More of *data*, such as ``metadata={"user": "u1"}``.

        Raises:
            RunNotFoundError: The store has no run of that id.
            LifecycleFieldError: A field is given that only a move may set, or that never changes.
            TypeError: The model has no field of that name.
            pydantic.ValidationError: A field does not hold what the model says.
        """
        return await self._run(connection, self._do.update, run_id, merged(data, fields))

    async def get(self, run_id: str, *, connection: Caller | None = None) -> _T:
        """
        Return the run as it is now: a snapshot, which the store's moves do not change.

        Args:
            run_id: The run.
            connection: The caller's transaction.

        Raises:
            RunNotFoundError: The store has no run of that id.
        """
        return await self._read(connection, self._do.get, run_id)

    async def history(self, run_id: str, *, connection: Caller | None = None) -> History:
        """
        Return everything the journal says of a run, oldest first.

        *missing* of the answer has the numbers of moves whose lines were deleted or pruned.

        Args:
            run_id: The run.
            connection: The caller's transaction.

        Raises:
            RunNotFoundError: The store has no run of that id.
        """
        return await self._read(connection, self._do.history, run_id)

    async def counts(self, *, connection: Caller | None = None) -> dict[str, int]:
        """
        Return how many runs are in each status: what the last sweep counted, and every move since.

        Args:
            connection: The caller's transaction.
        """
        return await self._read(connection, self._do.counts)

    async def stuck(
        self,
        limits: Mapping[str, float],
        *,
        limit: int = 100,
        connection: Caller | None = None,
    ) -> tuple[_T, ...]:
        """
        Return runs that have been in a status for longer than its limit, the longest first.

        Args:
            limits: Seconds by status.
            limit: How many runs at most.
            connection: The caller's transaction.
        """
        return await self._read(connection, self._do.stuck, limits, limit)

    async def list(
        self,
        *,
        status: str | Iterable[str] | None = None,
        after: str | None = None,
        before: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
        connection: Caller | None = None,
        **columns: Any,
    ) -> Page[_T]:
        """
        Return a page of runs by the time of their creation, the newest first.

        Args:
            status: Only runs in this status, or in one of several.
            after: The run to go on behind: a page's *cursor*, which holds its place even if the
                run was deleted since, or the id of any run that is there.
            before: Id of the run to stop in front of: the page that ends there.
            limit: How many runs at most.
            order: ``asc`` for the oldest first.
            connection: The caller's transaction.
            columns: Only runs with these values in columns of the application's own.

        Raises:
            RunNotFoundError: The store has no run of the id *after* or *before*.
            TypeError: The store has no column of that name.
        """
        return await self._read(
            connection, self._do.page, status, columns, after, before, limit, order
        )

    async def moves(
        self, *, after: str | None = None, limit: int = 100, connection: Caller | None = None
    ) -> Page[JournalEntry]:
        """
        Return the next committed moves of all runs, each at least once.

        Those of one run come in the order of their numbers. Give the page's *cursor*
        back as *after* once its items are dealt with; :attr:`JournalEntry.event_id` is
        the same at every delivery. On SQLite, a caller's transaction that has moved runs
        sees its own moves too: keep no cursor of it before it is committed.

        A cursor proves that everything delivered before it is still in the database. On a
        hot standby of PostgreSQL a move is delivered once all transactions that began
        before it have ended; a standby that lags behind the cursor delivers nothing yet.

        Args:
            after: The cursor of the page before; None to read from the beginning.
            limit: How many moves at most.
            connection: The caller's transaction.

        Raises:
            CursorInvalidError: *after* is not a cursor of a feed.
            CursorForeignError: Moves that were delivered before *after* are not in this
                database: a failover, a crash or a restore lost them, or they were deleted,
                or the cursor is of another store. Discard what was derived from the feed,
                and read it from the beginning.
            CursorExpiredError: *after* has the format of an earlier version: read the feed
                from the beginning, and skip the event ids that were dealt with. Or moves behind
                it were pruned: list the runs, and go on from :meth:`cursor`.
        """
        if self._setup.places and connection is None:
            await self._run(None, self._do.give_places)

        return await self._read(connection, self._do.moves, after, limit)

    async def cursor(self, *, connection: Caller | None = None) -> str:
        """
        Return the cursor for now: :meth:`moves` after it has what happens from now on.

        Args:
            connection: The caller's transaction.
        """
        if self._setup.places and connection is None:
            await self._run(None, self._do.give_places)

        return await self._read(connection, self._do.cursor)

    async def prune(
        self,
        older_than: float,
        *,
        status: str | Iterable[str] | None = None,
        limit: int = 1000,
        keep_after: str | Iterable[str] | None = None,
        archive: Callable[[tuple[JournalEntry, ...]], object] | None = None,
        connection: Caller | None = None,
    ) -> int:
        """
        Delete ended runs with all that the journal says of them, and return how many.

        Call it until it returns less than *limit*. Counts are those of the runs that are left. A
        cursor that had not passed the deleted moves raises :class:`CursorExpiredError`: list
        the runs, and go on from :meth:`cursor`. The run of the last move stays. A key of a
        deleted run can be used again.

        Args:
            older_than: Seconds since the run ended.
            status: Only those that ended in this status, or in one of several.
            limit: How many runs at most.
            keep_after: The cursor of a consumer that is to go on, or those of several. Runs of
                which the journal has a line that one of them has not passed are kept, and so
                are those that prove a cursor. As long as one has not passed what was pruned
                before it began, nothing is deleted.
            archive: A function that is called with the lines of the journal that are deleted,
                in their order, before the transaction is committed; not if there are none.
                An error that it raises undoes the deletion and reaches the caller. Where the
                database breaks the transaction off, it is called again with what is deleted
                then. For asyncio, a coroutine function too.
            connection: The caller's transaction.

        Raises:
            StoreArgumentError: A status is not terminal, or a number is out of bounds.
            CursorError: *keep_after*, as for :meth:`moves`.
        """
        return await self._run(
            connection, self._do.prune, older_than, status, limit, keep_after, archive
        )

    async def erase(self, run_id: str, *, connection: Caller | None = None) -> _T:
        """
        Erase what came with the moves of an ended run, and return it.

        Payloads, actors and reasons in its journal, and the details that payloads set, such as
        the last error. Its statuses, times, keys and tokens stay, and so does every cursor.
        Other fields are replaced by :meth:`update`.

        Args:
            run_id: The run.
            connection: The caller's transaction.

        Raises:
            RunNotFoundError: The store has no run of that id.
            StoreArgumentError: The run has not ended.
        """
        return await self._run(connection, self._do.erase, run_id)

    # -- moves ---------------------------------------------------------------------

    async def fire(
        self,
        run_id: str,
        trigger: str,
        /,
        *,
        token: int | None = None,
        expected_version: int | None = None,
        key: str | None = None,
        actor: str | None = None,
        reason: str | None = None,
        not_before: float | None = None,
        connection: Caller | None = None,
        **payload: Any,
    ) -> Verdict:
        """
        Move a run by *trigger*, or return why not.

        Args:
            run_id: The run.
            trigger: A trigger of the lifecycle.
            token: Token of the worker's lease; None for a caller that is not a worker.
            expected_version: Version that the run must still have, which is the number of its
                last move. Where ended runs can be reopened, a trigger that ends one needs this
                or *token*: a writer of an earlier attempt is refused.
            key: Idempotency key: of any number of attempts under one key, one moves the
                run, and all get the answer of that one move. It belongs to one attempt of the run.
            actor: Who fires, for the journal.
            reason: Why, for the journal.
            not_before: When a worker may claim the run again, in Unix seconds.
            connection: The caller's transaction.
            payload: The fields that the trigger takes; for runs as for :meth:`RunEngine.fire`,
                the reason of ``stop_incomplete`` as ``incomplete_details``.

        Raises:
            RunNotFoundError: The store has no run of that id.
            UnknownTriggerError: The table has no such trigger at all.
            PayloadError: The payload lacks, or has, or garbles something.
            StoreArgumentError: Neither *token* nor *expected_version* is given where one must be.
        """
        fire = Fire(
            run_id, trigger, payload, token, key, actor, reason, expected_version, not_before
        )
        verdict = await self._at_once(connection, self._do.fire, fire)
        self._setup.tell(caller_of(connection), fire, verdict)

        return verdict

    async def fire_many(
        self, fires: Iterable[Fire], *, connection: Caller | None = None
    ) -> tuple[Verdict, ...]:
        """
        Fire triggers in one transaction, in order; much cheaper than one after the other.

        Consecutive fires of one trigger at different runs become one statement.
        Either all verdicts stand or, if this raises, nothing has moved; in the caller's
        own transaction, once that is rolled back.

        Args:
            fires: The triggers, each with its run.
            connection: The caller's transaction.
        """
        fires = several("fires", Fire, "Fire(run_id, trigger, ...)", fires)
        verdicts = await self._run(connection, self._do.fire_many, fires)
        for fire, verdict in zip(fires, verdicts, strict=True):
            self._setup.tell(caller_of(connection), fire, verdict)

        return verdicts

    # -- leases --------------------------------------------------------------------

    async def claim(
        self,
        worker: str,
        seconds: float = 30.0,
        *,
        where: Mapping[str, Any] = MappingProxyType({}),
        connection: Caller | None = None,
    ) -> Lease[_T] | None:
        """
        Return a lease on a run that no worker holds; None if no run is waiting.

        A run whose lease ran out comes first, and stays in its status; else the oldest
        that the trigger of claims can be fired at, which is moved by it.

        Args:
            worker: Who claims, for the journal.
            seconds: How long the lease lasts, from now and from every heartbeat on; up to
                30 days.
            where: Only runs with these values in columns of the application's own.
            connection: The caller's transaction.

        Raises:
            StoreArgumentError: The lifecycle has no trigger for claims.
            TypeError: The store has no column of that name.
        """
        made = await self._at_once(connection, self._do.claim, worker, seconds, where)
        self._setup.log(caller_of(connection), made.moved)

        return made.object

    async def claim_many(
        self,
        worker: str,
        limit: int,
        seconds: float = 30.0,
        *,
        where: Mapping[str, Any] = MappingProxyType({}),
        connection: Caller | None = None,
    ) -> tuple[Lease[_T], ...]:
        """
        Return leases on runs that no worker holds, taken in one statement; empty if there are none.

        Args:
            worker: Who claims, for the journal.
            limit: How many leases at most.
            seconds: How long each lease lasts, from now and from every heartbeat on; up to
                30 days.
            where: Only runs with these values in columns of the application's own.
            connection: The caller's transaction.

        Raises:
            StoreArgumentError: The lifecycle has no trigger for claims.
            TypeError: The store has no column of that name.
        """
        made = await self._at_once(connection, self._do.claim_many, worker, seconds, where, limit)
        self._setup.log(caller_of(connection), made.moved)

        return made.object

    async def heartbeat(
        self, lease: Lease[Any], *, connection: Caller | None = None
    ) -> Held | Stale:
        """
        Renew *lease*; the answer says whether cancel was asked for, or that the lease is lost.

        Args:
            lease: The lease, as :meth:`claim` returned it.
            connection: The caller's transaction.
        """
        return await self._at_once(connection, self._do.heartbeat, lease)

    async def heartbeat_many(
        self, leases: Iterable[Lease[_T]], *, connection: Caller | None = None
    ) -> tuple[Held | Stale, ...]:
        """
        Renew *leases* in one statement; the answers are in order, as those of :meth:`heartbeat`.

        Args:
            leases: Leases, as :meth:`claim` returned them.
            connection: The caller's transaction.
        """
        listed = several("leases", Lease, "leases that claim() returned", leases)

        return await self._at_once(connection, self._do.heartbeat_many, listed)

    async def release(self, lease: Lease[Any], *, connection: Caller | None = None) -> bool:
        """
        Give *lease* back, so that the next claim finds the run; False if it was lost already.

        Args:
            lease: The lease, as :meth:`claim` returned it.
            connection: The caller's transaction.
        """
        return await self._run(connection, self._do.release, lease)

    async def sweep(
        self, *, limit: int = 1000, connection: Caller | None = None
    ) -> tuple[Moved, ...]:
        """
        End what is overdue, and return the moves that did.

        These are the runs past the deadline of their status, those being cancelled that no
        worker holds, and those past their ``expires_at``. Any number of sweepers
        may do this at once; each run is ended by one. Call it every few seconds.

        Args:
            limit: How many runs at most.
            connection: The caller's transaction.
        """
        moved = await self._run(connection, self._do.sweep, limit)
        self._setup.log(caller_of(connection), moved)

        return moved


class AsyncRunStore(AsyncStore[RunResponse], NamedMoves[Coroutine[Any, Any, Verdict]]):
    """
    Keeps runs in a database: a store for :data:`RUN` with one typed method a trigger.

    ``thread_id`` and ``assistant_id`` are columns: ``create`` takes them beside the other fields
    of a run, ``list`` and ``claim`` can be restricted by them.
    """

    def __init__(
        self,
        engine: Engine,
        lifecycle: Lifecycle = RUN,
        *,
        prefix: str = "runstate_",
        expires_after: int | None = None,
        deadlines: Mapping[str, tuple[float, str]] | None = None,
        clock: str | None = None,
        new_id: Callable[[], str] | None = None,
        logger: Any = None,
        adopt_lifecycle: bool = False,
        schema: str | None = None,
        install: bool = True,
        before: Iterable[Hook] = (),
        after: Iterable[Hook] = (),
        notify: bool = False,
    ) -> None:
        """
        Use *engine*, the caller's own, and make or migrate the tables in its database.

        With an asyncio engine, :meth:`AsyncStore.install` makes them.

        After a fork, the child must make an engine of its own, as SQLAlchemy requires;
        only a store from :meth:`open` does that by itself.

        Args:
            engine: For SQLite, PostgreSQL or MariaDB. The caller closes it.
            lifecycle: The table; :data:`RUN`, or a narrower or wider one.
            prefix: How the names of the tables begin.
            expires_after: Seconds from a run's creation to its ``expires_at``, at which a
                sweep ends it, also while a worker holds it; None for no such time. One
                run's own is given to :meth:`create`.
            deadlines: By status, the seconds that a run may be in it and the trigger that
                ends it then, besides ``{"cancelling": (60, "confirm_cancel")}``. Every
                process that uses the store should give the same.
            clock: An SQL expression for the time in Unix seconds; the database's own clock
                by default.
            new_id: Makes the id of a run that is created without one.
            logger: A structlog logger.
            adopt_lifecycle: True to record *lifecycle* where the store was made with another.
            schema: The schema of the tables on PostgreSQL; by default the first of the
                connection's ``search_path``. Other databases have none.
            install: False to make and migrate nothing, where a migration of your own does it
                with :func:`schema_sql`: tables that are missing or of another version are an
                error.
            before: Callables that see each :class:`MoveEvent` of ``fire``, ``fire_many`` and
                ``sweep`` before the move, within its transaction. An error that one raises
                undoes the move and reaches the caller. For asyncio, coroutine functions too.
            after: The same after the move, also of ``create``, ``create_many`` and claims.
            notify: Whether the commit of a move wakes those who watch, by PostgreSQL's NOTIFY; with
                psycopg, and without a pooler. Each :meth:`watch` then has a connection of its own.

        Raises:
            ValueError: An option makes no sense, or the engine knows no transactions.
        """
        super().__init__(
            engine,
            lifecycle,
            model=RunResponse,
            prefix=prefix,
            expires_after=expires_after,
            deadlines=deadlines,
            clock=clock,
            new_id=new_id,
            logger=logger,
            adopt_lifecycle=adopt_lifecycle,
            schema=schema,
            install=install,
            before=before,
            after=after,
            notify=notify,
        )

    @classmethod
    async def open(  # type: ignore[override]
        cls,
        url: str,
        *,
        lifecycle: Lifecycle = RUN,
        durable: bool = True,
        timeout: float = 30.0,
        pooler: bool | None = None,
        prefix: str = "runstate_",
        expires_after: int | None = None,
        deadlines: Mapping[str, tuple[float, str]] | None = None,
        clock: str | None = None,
        new_id: Callable[[], str] | None = None,
        logger: Any = None,
        adopt_lifecycle: bool = False,
        schema: str | None = None,
        install: bool = True,
        before: Iterable[Hook] = (),
        after: Iterable[Hook] = (),
        notify: bool = False,
    ) -> Self:
        """
        Open the store at *url*, and make or migrate its tables.

        Args:
            url: ``sqlite:///runs.db``, ``postgresql://host/database`` or
                ``mariadb://host/database``. Without a driver, the usual one: pysqlite, psycopg
                and pymysql, or for asyncio aiosqlite, psycopg and aiomysql. ``postgres://`` is
                the same as ``postgresql://``.
            lifecycle: The table; :data:`RUN`, or a narrower or wider one.
            durable: Whether committed moves outlive a power cut, also where the PostgreSQL
                server or role has ``synchronous_commit`` off. If False, moves are faster.
                SQLite then loses none when any process dies, and may lose the last ones
                in a power cut. MariaDB decides for itself, by its own configuration. PostgreSQL may lose those of about the last second when the
                server crashes, and it does so when any one of its backends is killed.
            timeout: Seconds to wait for SQLite's write lock.
            pooler: Whether a connection pooler such as PgBouncer is between the store and
                PostgreSQL; None to find out at connect. Behind one, the store prepares no
                statements and sends every operation as one transaction. False for a pooler
                that gives each client a server connection of its own.
            prefix: How the names of the tables begin.
            expires_after: Seconds from a run's creation to its ``expires_at``, at which a
                sweep ends it, also while a worker holds it; None for no such time. One
                run's own is given to :meth:`create`.
            deadlines: By status, the seconds that a run may be in it and the trigger that
                ends it then, besides ``{"cancelling": (60, "confirm_cancel")}``. Every
                process that uses the store should give the same.
            clock: An SQL expression for the time in Unix seconds; the database's own clock
                by default.
            new_id: Makes the id of a run that is created without one.
            logger: A structlog logger.
            adopt_lifecycle: True to record *lifecycle* where the store was made with another.
            schema: The schema of the tables on PostgreSQL; by default the first of the
                connection's ``search_path``. Other databases have none.
            install: False to make and migrate nothing, where a migration of your own does it
                with :func:`schema_sql`: tables that are missing or of another version are an
                error.
            before: Callables that see each :class:`MoveEvent` of ``fire``, ``fire_many`` and
                ``sweep`` before the move, within its transaction. An error that one raises
                undoes the move and reaches the caller. For asyncio, coroutine functions too.
            after: The same after the move, also of ``create``, ``create_many`` and claims.
            notify: Whether the commit of a move wakes those who watch, by PostgreSQL's NOTIFY; with
                psycopg, and without a pooler. Each :meth:`watch` then has a connection of its own.

        Raises:
            StoreVersionError: The tables are of a later version, or of a lifecycle
                whose statuses this one does not know; or *install* is False, and they are
                missing or of an earlier version; or the role of the connection may not make or
                read them.
            LifecycleMismatchError: The store was made with another lifecycle.
            ValueError: An option makes no sense.
            ImportError: The database's driver is not installed.
        """
        make = partial(
            cls,
            lifecycle=lifecycle,
            prefix=prefix,
            expires_after=expires_after,
            deadlines=deadlines,
            clock=clock,
            new_id=new_id,
            logger=logger,
            adopt_lifecycle=adopt_lifecycle,
            schema=schema,
            install=install,
            before=before,
            after=after,
            notify=notify,
        )

        return await cls._opened(make, url, durable=durable, timeout=timeout, pooler=pooler)
