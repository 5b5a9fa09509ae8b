"""
The databases of the explorer: fresh rows for every execution, and who waits for a lock.
"""

import re
import sqlite3
from dataclasses import replace

import sqlalchemy as sa

from databases import CLOCK
from explorer import ending, gated_cursor
from runstate.store import RunStore

NOW = 1_700_000_000.0
_WRITE = re.compile(r"\b(UPDATE|INSERT INTO|DELETE FROM|FOR UPDATE)\b")
_CHANGE = re.compile(r"\b(UPDATE|INSERT INTO|DELETE FROM) runstate_(\w+)")
_TABLE = re.compile(r"(?:FROM|JOIN) runstate_(\w+)")
_OWN_ROW = re.compile(
    r"SELECT (?!.*FOR UPDATE).*FROM runstate_runs\s+WHERE runstate_runs.id = \S+\s*\Z", re.DOTALL
)
_SUMS = re.compile(r"INSERT INTO runstate_counts|UPDATE runstate_meta .*counted", re.DOTALL)


class Database:
    """
    A database with a store in it, whose rows can be put back.
    """

    level = None
    own = frozenset()
    """The columns, by table, whose values are made anew for each execution."""
    has_snapshots = False
    one_writer = False
    number = 0
    """Of the execution, in the ids of runs where they are new for each."""
    waits = True
    """Whether it can be asked which connection waits for a lock."""

    def __init__(self, url, prepare, *, level=None, rewrite=None):
        """
        Make a store at *url*, and have *prepare* fill it.

        *level* is the isolation level of the actors. *rewrite* is called with an actor's name and
        each of its statements, and returns what is sent instead: that is how a fault is seeded.
        """
        self.url, self.level = url, level or self.level
        self.reads_lock = level == "SERIALIZABLE"
        self._rewrite = rewrite
        self._opened = []
        self.engine = sa.create_engine(url, **self.options())
        with self.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS clock")
            connection.exec_driver_sql("CREATE TABLE clock (now double precision)")
            connection.exec_driver_sql(f"INSERT INTO clock VALUES ({NOW})")  # noqa: S608
        store = RunStore(self.engine, clock=CLOCK)
        with self.engine.begin() as connection:
            for name in ("journal", "runs", "counts"):
                connection.exec_driver_sql(f"DELETE FROM runstate_{name}")  # noqa: S608
        self.set_up()
        self.lease = prepare(store, self.id)
        self.store = store
        self.tables = store._setup.tables
        clock = sa.Table("clock", sa.MetaData(), sa.Column("now", sa.Double))
        self._rows = [(table, self._saved(table)) for table in (*self.tables, clock)]
        self._observer = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._cursor = self._observer.connection.cursor()
        self._anew = list(self._begin_anew("?" if self.engine.dialect.name == "sqlite" else "%s"))
        self.settle()

    def _saved(self, table):
        with self.engine.connect() as connection:
            names = [c for c in table.c if not c.computed]
            order = list(table.primary_key) or [table.c[0]]
            return [
                dict(r) for r in connection.execute(sa.select(*names).order_by(*order)).mappings()
            ]

    def options(self):
        """Return the options of every engine."""
        return {}

    def set_up(self):
        """Prepare the tables for many short executions."""

    def settle(self):
        """Prepare the connection that puts rows back and looks at them."""

    def quoted(self, name):
        """Return the name of a column as the database takes it."""
        return f'"{name}"'

    def open(self, name):
        """
        Return the store of an actor, on a connection of its own that stops before each statement.
        """
        options = self.options()
        if self.level:
            options["isolation_level"] = self.level
        options["connect_args"] = {**options.get("connect_args", {}), **self.gated()}
        engine = sa.create_engine(self.url, pool_size=1, max_overflow=0, **options)
        sa.event.listen(engine, "commit", ending("COMMIT"))
        sa.event.listen(engine, "rollback", ending("ROLLBACK"))
        self._opened.append(engine)

        return RunStore(engine, clock=CLOCK)

    def now(self):
        """
        Return the time that all clocks show.
        """
        return self.ask("SELECT now FROM clock")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close all connections."""
        self._observer.close()
        for engine in (self.engine, *self._opened):
            engine.dispose()

    def id(self, letter):
        """
        Return the id of the run that is called by a letter.
        """
        return f"{letter}{self.number:07}"

    def reset(self):
        """
        Put the rows back that were there in the beginning.
        """
        for statement, values in self._anew:
            self._cursor.execute(statement, values)
        self.after_reset()

    def _begin_anew(self, mark):
        """
        Yield the statements that put the rows back.
        """
        for table, _ in self._rows:
            yield f"DELETE FROM {table.name}", ()  # noqa: S608
        for table, rows in self._rows:
            for row in rows:
                values = {n: v for n, v in row.items() if (table.name, n) not in self.own}
                names, marks = ", ".join(map(self.quoted, values)), ", ".join([mark] * len(values))
                yield f"INSERT INTO {table.name} ({names}) VALUES ({marks})", tuple(values.values())  # noqa: S608

    def after_reset(self):
        """Find out with which numbers the execution begins."""

    def content(self):
        """
        Return all rows that are committed.
        """
        return [self.rows(table) for table in self.tables]

    def rows(self, table):
        """
        Return the committed rows of one table, each by the names of its columns.
        """
        self._cursor.execute(f"SELECT * FROM {table.name} ORDER BY 1")  # noqa: S608
        names = [each[0] for each in self._cursor.description]

        return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]

    def ask(self, query):
        """
        Return the single value that a query answers with.
        """
        self._cursor.execute(query)

        return self._cursor.fetchone()[0]

    def normal(self, text):
        """Return *text* with the numbers that differ from execution to execution made the same."""
        return text

    def rewritten(self, actor, statement):
        """Return the statement as it is sent."""
        return statement if self._rewrite is None else self._rewrite(actor.name, statement)

    def is_setting(self, statement):
        """Return whether a statement is about the connection alone."""
        return statement.startswith(("PRAGMA", "SET ", "SHOW "))

    def is_refusal(self, error):
        """Return whether the database refuses a lock and may give it later."""
        return False

    def is_lock(self, statement):
        """Return whether a statement asks for a lock, and for nothing else."""
        return False

    def is_free(self):
        """Return whether a lock that was refused could be had now."""
        return True

    def holds(self, statement, cursor):
        """Return whether others can notice that a statement was executed."""
        return bool(_WRITE.search(statement)) and cursor.rowcount != 0

    def is_automatic(self, cursor):
        """Return whether the statement was committed by itself."""
        return False

    def is_private(self, actor):
        """
        Return whether no other actor can notice the statement that *actor* is about to send, nor it them.

        It reads the row that its transaction has changed, or writes sums of a sweep, of which there is
        one.
        """
        return actor.holds and bool(_OWN_ROW.match(actor.at) or _SUMS.match(actor.at))

    def counted(self, cursor):
        """Return how many rows a statement was about, for a reader."""
        return f"{cursor.rowcount} row{'s' * (cursor.rowcount != 1)}"

    def short(self, text):
        """
        Return what one statement does, in a few words.
        """
        writes = [f"{verb} {table}" for verb, table in _CHANGE.findall(text)]
        if writes:
            status = re.search(r"status='(\w+)'", text)
            return ", ".join(writes) + (f" to {status[1]}" if status else "")
        tables = " and ".join(dict.fromkeys(_TABLE.findall(text)))
        locks = " for update" if "FOR UPDATE" in text else ""

        return f"{text.split(None, 1)[0]} {tables}{locks}" if tables else text


class Sqlite(Database):
    """
    SQLite, which has one writer at a time, and tells the others that it is busy.
    """

    one_writer = True
    waits = False

    def options(self):
        """See :class:`Database`."""
        return {"connect_args": {"timeout": 5}}

    def gated(self):
        """See :class:`Database`."""
        database = self
        cursors = gated_cursor(sqlite3.Cursor, database)

        class Connection(sqlite3.Connection):
            def cursor(self, factory=cursors):
                return super().cursor(factory)

            def execute(self, *args):
                return self.cursor().execute(*args)

        return {"factory": Connection, "check_same_thread": False}

    def set_up(self):
        """See :class:`Database`."""

        @sa.event.listens_for(self.engine, "connect")
        def connected(connection, _):
            connection.execute("PRAGMA synchronous=OFF")

        self.engine.dispose()
        self._probe = sqlite3.connect(
            sa.make_url(self.url).database, timeout=0, isolation_level=None
        )

    def open(self, name):
        """See :class:`Database`."""
        store = super().open(name)
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=OFF")

        return store

    def connection_id(self, _):
        """See :class:`Database`."""
        return

    def close(self):
        """See :class:`Database`."""
        self._probe.close()
        super().close()

    def is_refusal(self, error):
        """See :class:`Database`."""
        return "locked" in str(error)

    def is_lock(self, statement):
        """See :class:`Database`."""
        return statement == "BEGIN IMMEDIATE"

    def is_free(self):
        """See :class:`Database`."""
        try:
            self._probe.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        self._probe.execute("ROLLBACK")

        return True

    def counted(self, _):
        """See :class:`Database`."""
        # It does not know before the rows are read that a statement returns.
        return ""

    def is_private(self, actor):
        """See :class:`Database`."""
        # There is one writer, and readers see what was committed before.
        return actor.holds and actor.at not in {"COMMIT", "ROLLBACK"}

    def holds(self, statement, cursor):
        """See :class:`Database`."""
        return statement == "BEGIN IMMEDIATE" or super().holds(statement, cursor)

    def _begin_anew(self, mark):
        yield "BEGIN", ()
        yield from super()._begin_anew(mark)
        last = max(row["position"] for row in self.rows(self.tables.journal))
        yield f"UPDATE sqlite_sequence SET seq = {last} WHERE name = 'runstate_journal'", ()  # noqa: S608
        yield "COMMIT", ()


class Postgresql(Database):
    """
    PostgreSQL, which says which process blocks which.
    """

    has_snapshots = True
    _first = 0

    def gated(self):
        """See :class:`Database`."""
        import psycopg

        return {
            "cursor_factory": gated_cursor(psycopg.Cursor, self),
            "options": "-c deadlock_timeout=10ms",
        }

    def set_up(self):
        """See :class:`Database`."""
        with self.engine.begin() as connection:
            for table in ("runs", "journal", "counts", "meta"):
                connection.exec_driver_sql(
                    f"ALTER TABLE runstate_{table} SET (autovacuum_enabled = false)"
                )

    def connection_id(self, cursor):
        """See :class:`Database`."""
        return cursor.connection.info.backend_pid

    def waiting(self):
        """See :class:`Database`."""
        self._cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND cardinality(pg_blocking_pids(pid)) > 0"
        )

        return {pid for (pid,) in self._cursor.fetchall()}

    def settle(self):
        """See :class:`Database`."""
        self._cursor.execute("SET session_replication_role = replica")

    def _begin_anew(self, mark):
        import psycopg

        cursor = psycopg.ClientCursor(self._observer.connection.driver_connection)
        yield "; ".join(cursor.mogrify(*each) for each in super()._begin_anew(mark)), None

    def after_reset(self):
        """See :class:`Database`."""
        self._first = int(
            self.ask(
                "SELECT pg_current_xact_id()::text, setval('runstate_journal_position_seq', "
                "(SELECT max(position) FROM runstate_journal))"
            )
        )

    def normal(self, text):
        """See :class:`Database`."""
        return re.sub(r"(?<![\d.])\d+(?![\d.])", self._relative, text)

    def _relative(self, found):
        number = int(found[0]) - self._first

        return f"x{number}" if 0 <= number < 200 else found[0]

    def is_automatic(self, cursor):
        """See :class:`Database`."""
        return cursor.connection.autocommit


class Mariadb(Database):
    """
    MariaDB, whose InnoDB lists its transactions and says which of them wait.
    """

    level = "READ COMMITTED"
    _first = 0

    def options(self):
        """See :class:`Database`."""
        return {"isolation_level": "READ COMMITTED"}

    def gated(self):
        """See :class:`Database`."""
        import pymysql

        return {"cursorclass": gated_cursor(pymysql.cursors.Cursor, self)}

    def set_up(self):
        """See :class:`Database`."""
        with self.engine.begin() as connection:
            # So that no other number is taken for a position.
            connection.exec_driver_sql("ALTER TABLE runstate_journal AUTO_INCREMENT = 1000000")

    def connection_id(self, cursor):
        """See :class:`Database`."""
        return cursor.connection.thread_id()

    def waiting(self):
        """See :class:`Database`."""
        # INNODB_TRX is renewed ten times a second only.
        self._cursor.execute("SHOW ENGINE INNODB STATUS")
        text = self._cursor.fetchone()[2]
        found = re.findall(r"---TRANSACTION.*?(?=---TRANSACTION|\Z)", text, re.DOTALL)

        return {
            int(number)
            for each in found
            if "LOCK WAIT" in each
            for number in re.findall(r"thread id (\d+)", each)[:1]
        }

    own = frozenset({("runstate_journal", "position")})

    def quoted(self, name):
        """See :class:`Database`."""
        return f"`{name}`"

    def _begin_anew(self, _):
        for each in super()._begin_anew("%s"):
            yield self._cursor.mogrify(*each), None

    def reset(self):
        """See :class:`Database`."""
        # A row that is deleted and not purged yet is locked when its key is used again.
        before, self.number = self.id("r"), self.number + 1
        self.lease = replace(self.lease, id=self.id("r"))
        self._anew = [
            (text.replace(f"'{before}'", f"'{self.lease.id}'"), v) for text, v in self._anew
        ]
        super().reset()

    def after_reset(self):
        """See :class:`Database`."""
        self._first = self.ask("SELECT max(position) FROM runstate_journal")

    def normal(self, text):
        """See :class:`Database`."""
        text = re.sub(r"\b([a-z])\d{7}\b", r"\1", text)

        return re.sub(r"\b1\d{6}\b", lambda found: f"p{int(found[0]) - self._first}", text)


DATABASES = {"sqlite": Sqlite, "postgresql": Postgresql, "mysql": Mariadb}


def database(url, prepare, **options):
    """
    Return the database at *url* with what *prepare* puts into it.
    """
    return DATABASES[sa.make_url(url).get_backend_name()](url, prepare, **options)
