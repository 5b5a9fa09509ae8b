"""
The embedded engine: opened, held to its memory, and its complaints put in one line.
"""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from .._text import printable
from ._errors import FrameError, needed

__all__ = ["Engine", "file_name", "file_names", "listed", "opened", "quoted", "text"]

_MEMORY: Final = re.compile(r"\d{1,9}(\.\d{1,3})? ?([KMGT]i?B|B)", re.IGNORECASE)
_PORTION: Final = 10_000
_LAST_SECONDS: Final = 10.0
"""How long an interrupt waits for the query to stop."""

_T = TypeVar("_T")
_SETTINGS: Final = (
    # Nothing is fetched from anywhere, and a time without a zone means the same everywhere.
    "set autoinstall_known_extensions = false",
    "set autoload_known_extensions = false",
    "set TimeZone = 'UTC'",
    "set preserve_insertion_order = true",
    "set enable_progress_bar = false",
)


def text(value: str) -> str:
    """
    Return *value* as a literal of SQL.
    """
    return "'" + value.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """
    Return *name* as a name of SQL, whatever is in it.
    """
    return '"' + name.replace('"', '""') + '"'


def listed(values: Sequence[str]) -> str:
    """
    Return *values* as a literal list of texts.
    """
    return f"[{', '.join(map(text, values))}]"


def file_name(name: str) -> str:
    """
    Return *name* as a literal that stands for the file of that name, whatever it looks like.

    DuckDB takes a name for a pattern, and some beginnings for a home directory or an address.

    Raises:
        FrameError: The name cannot be written so that DuckDB finds that file.
    """
    if "\\" in name and any(mark in name for mark in "*?["):
        raise FrameError(
            name, "DuckDB cannot open a name with a backslash and one of * ? [; rename the file"
        )
    escaped = "".join(f"[{mark}]" if mark in "*?[" else mark for mark in name)

    return text(escaped if PurePath(name).is_absolute() else f"./{escaped}")


def file_names(names: Sequence[str]) -> str:
    """
    Return *names* as a literal list of files.
    """
    return f"[{', '.join(map(file_name, names))}]"


class Engine:
    """
    One connection, whose failures are :class:`FrameError`.
    """

    def __init__(self, connection: Any, failure: type[Exception]) -> None:
        self.connection = connection
        self._failure = failure
        self.place = ""
        """What is read; failures name it."""

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """
        Return what *statement* answers with *values* bound.

        Raises:
            FrameError: It failed.
        """
        with self._told():
            answer: list[tuple[Any, ...]] = self._working(
                lambda: self.connection.execute(statement, values).fetchall()
            )

        return answer

    def portions(self, statement: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """
        Yield what *statement* answers with *values* bound, without holding all of it.

        Raises:
            FrameError: It failed.
        """
        with self._told():
            cursor = self._working(lambda: self.connection.execute(statement, values))
            while portion := self._working(lambda: cursor.fetchmany(_PORTION)):
                yield from portion

    def show(self, name: str, table: Any) -> None:
        """
        Make an Arrow *table* known as *name*.
        """
        with self._told():
            self.connection.register(name, table)

    def take(self, name: str, stream: Any) -> None:
        """
        Copy an Arrow *stream*, which can be read once, into a table called *name*.

        Raises:
            FrameError: The stream failed, or there is no room.
        """
        with self._told():
            self.connection.register("_stream", stream)
            copy = f"create temp table {quoted(name)} as select * from _stream"
            self._working(lambda: self.connection.execute(copy))
            self.connection.unregister("_stream")

    def lock(self) -> None:
        """
        Bar the connection from files and from its own settings; what is attached stays readable.

        A database from somebody else may hold views that read or write other files.
        """
        self.rows("set enable_external_access = false")
        self.rows("set lock_configuration = true")

    def selecting(self, query: str) -> str:
        """
        Return *query*, which is one statement that selects, without what ends it.

        Raises:
            FrameError: It is none, or more than one.
        """
        with self._told():
            statements = self.connection.extract_statements(query)
        kinds = [statement.type.name for statement in statements]
        if kinds != ["SELECT"]:
            found = ", ".join(kinds) or "none"
            raise FrameError(self.place, f"expected a query of one SELECT statement, got {found}")

        return str(statements[0].query).rstrip().rstrip(";")

    def _working(self, call: Callable[[], _T]) -> _T:
        """
        Return what *call* returns, and have an interrupt stop it at once.

        While DuckDB fetches, it does not look at signals: an interrupt would wait for the end of
        the query. So the query runs in another thread, and this one waits for signals.
        """
        if threading.current_thread() is not threading.main_thread():
            return call()
        answers: list[_T] = []
        errors: list[BaseException] = []
        done = threading.Event()

        def work() -> None:
            try:
                answers.append(call())
            except BaseException as error:  # noqa: BLE001  the waiting thread raises it
                errors.append(error)
            finally:
                done.set()

        threading.Thread(target=work, daemon=True).start()
        try:
            done.wait()
        except BaseException:
            self.connection.interrupt()
            done.wait(_LAST_SECONDS)
            raise
        if errors:
            raise errors[0]

        return answers[0]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._failure as error:
            raise FrameError(self.place, _first_line(error)) from None
        except RuntimeError as error:
            # An interrupt reaches Python as an error of the engine.
            if "interrupt" not in str(error).lower():
                raise
            raise KeyboardInterrupt from None


def _first_line(error: Exception) -> str:
    """
    Return what *error* says, without the statement that it quotes.
    """
    said = str(error).split("\n\nLINE ")[0].split("\nPossible solutions")[0]

    return " ".join(said.split())


@contextmanager
def opened(memory: str | None = None) -> Iterator[Engine]:
    """
    Open an engine that keeps to *memory*, such as ``1GB``; what is beyond goes to a folder that is removed.

    Raises:
        FrameError: DuckDB is not installed, or *memory* is no amount.
    """
    try:
        import duckdb  # noqa: PLC0415  the extra that this room needs
    except ModuleNotFoundError:
        raise needed("duckdb") from None
    if memory is not None and not (_MEMORY.fullmatch(memory) and re.search("[1-9]", memory)):
        raise FrameError(
            "", f"memory: expected an amount such as 1GB or 500MB, got '{printable(memory)}'"
        )
    with TemporaryDirectory(prefix="runstate-") as folder, duckdb.connect() as connection:
        engine = Engine(connection, duckdb.Error)
        for setting in (*_SETTINGS, f"set temp_directory = {text(folder)}"):
            engine.rows(setting)
        if memory is not None:
            engine.rows(f"set memory_limit = {text(memory)}")
        yield engine
