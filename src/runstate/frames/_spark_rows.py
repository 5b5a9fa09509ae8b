"""
What Spark is given, made one shape: a run's id, its status, and microseconds.

What is no time, and why, is said as the readers of files say it.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Final, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812  everybody's name for it
from pyspark.sql import types as T  # noqa: N812

from .._text import printable
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ..readers._keys import missing
from ..readers._times import unix_seconds
from ..readers._values import TIME_KEYS, BadRecordError
from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._columns import judged_columns, refuse_shapes
from ._errors import FrameError

__all__ = ["Given", "Times", "given_as"]

_EPOCH: Final = "timestamp_ntz'1970-01-01 00:00:00'"
_SECOND: Final = 1_000_000
_UTC: Final = frozenset({"UTC", "Etc/UTC", "GMT", "Z"})
_ZONE: Final = r"\d[T ]\d.*(Z|[+-]\d\d(:?\d\d)?)$"
_TIMES: Final = (
    T.NullType, T.NumericType, T.StringType, T.TimestampType, T.TimestampNTZType, T.DateType,
)  # fmt: skip


class Times(NamedTuple):
    """
    How a column of times is read.
    """

    name: str
    kind: T.DataType
    assume_utc: bool
    utc: bool
    """Whether the session's own zone is UTC."""
    texts: bool
    """Whether texts may be numbers, as in CSV, where all are texts."""

    def micros(self, at: Column) -> Column:
        """
        Return the microseconds since 1970 that *at* says; null where it is no time of a run.
        """
        if isinstance(self.kind, T.NullType):
            return F.lit(None).cast("long")
        if isinstance(self.kind, T.NumericType):
            return _of_number(at)
        if isinstance(self.kind, T.StringType):
            return self._of_text(at)
        if isinstance(self.kind, T.TimestampType):
            return _in_years(F.unix_micros(at))

        return _in_years(self._zoneless(at.cast("timestamp_ntz")))

    def text(self, at: Column) -> Column:
        """
        Return *at* as text; a timestamp as Unix seconds, whatever the session's zone.
        """
        zoned = isinstance(self.kind, T.TimestampType)

        return (at.cast("double") if zoned else at).cast("string")

    def refuse(self, place: str) -> None:
        """
        Pass a column of times.

        Raises:
            FrameError: It is none, or one of times without a zone.
        """
        column = f"column '{self.name}' is {self.kind.simpleString()}"
        if isinstance(self.kind, T.TimestampNTZType | T.DateType) and not self.assume_utc:
            reason = f"{column}, which has no time zone; pass --assume-utc if it is UTC"
            raise FrameError(place, reason)
        if not isinstance(self.kind, _TIMES):
            raise FrameError(place, f"{column}, which is no time")

    def refusal(self, given: str | None) -> tuple[str, str]:
        """
        Return the code and the words for a row whose time, *given* as text, is none.
        """
        if given is None:
            return "RS902", "the record has no time"
        value: object = given
        if self.texts or isinstance(self.kind, T.NumericType | T.TimestampType):
            value = _number(given)
        try:
            unix_seconds(value, self.name, self.assume_utc)
        except BadRecordError as bad:
            return bad.code, printable(bad.reason, 500)

        return "RS901", (
            f"{self.name} '{printable(given, 60)}' is a time that Spark does not read here: expected "
            "Unix seconds or ISO 8601 with a zone; --engine duckdb reads it"
        )

    def _of_text(self, at: Column) -> Column:
        zoned = F.when(at.rlike(_ZONE), F.unix_micros(at.try_cast("timestamp")))
        time = zoned
        if self.assume_utc:
            time = zoned.otherwise(self._zoneless(at.try_cast("timestamp_ntz")))
        if not self.texts:
            return _in_years(time)

        return F.coalesce(_of_number(at.try_cast("double")), _in_years(time))

    def _zoneless(self, at: Column) -> Column:
        """
        Return the microseconds of *at*, which has no zone, as of UTC.
        """
        if self.utc:  # the fast way, where that changes nothing
            return F.unix_micros(at.cast("timestamp"))
        elapsed = (at - F.expr(_EPOCH)).cast("interval second").cast("decimal(20, 6)")

        return (elapsed * _SECOND).cast("long")


class Given(NamedTuple):
    """
    What is read, whatever it was before.
    """

    place: str
    """What failures name."""
    rows: DataFrame
    """run_id and status (string), at (long, microseconds since 1970; null where there is no
    time, or none that can be read), given (string, what stands there instead), form (int)."""
    times: Sequence[Times]
    """How times are read, by form."""


def given_as(
    place: str,
    frames: Sequence[tuple[str, DataFrame]],
    columns: Columns,
    lifecycle: Lifecycle,
    *,
    assume_utc: bool = False,
) -> Given:
    """
    Return the rows of all *frames*, each with the name of its format, or none.

    Raises:
        FrameError: A column is missing, or of a type that it cannot have.
    """
    times: list[Times] = []
    rows = []
    for form, frame in frames:
        run_id, status, at = _columns(frame, columns, lifecycle, place)
        _refuse_facts(place, frame, (run_id.name, status.name, at.name), columns, lifecycle)
        utc = frame.sparkSession.conf.get("spark.sql.session.timeZone") in _UTC
        reading = Times(at.name, at.kind, assume_utc, utc, form == "csv")
        reading.refuse(place)
        micros = reading.micros(at.column)
        kept = (
            run_id.column.cast("string").alias("run_id"),
            status.column.cast("string").alias("status"),
            micros.alias("at"),
            F.when(micros.isNull(), reading.text(at.column)).alias("given"),
            F.lit(len(times)).alias("form"),
        )
        times.append(reading)
        rows.append(frame.select(*kept))

    return Given(place, reduce(DataFrame.unionAll, rows), times)


def _refuse_facts(
    place: str,
    frame: DataFrame,
    used: Sequence[str | None],
    columns: Columns,
    lifecycle: Lifecycle,
) -> None:
    """
    Pass a *frame* whose columns are all that Spark screens, or no rule is about.
    """
    facts = judged_columns(frame.columns, used, columns, lifecycle)
    if facts:
        shown = ", ".join(printable(fact, 40) for fact in facts[:5])
        raise FrameError(
            place, f"has rules about {shown}, which Spark does not judge: use --engine duckdb"
        )


def _columns(
    frame: DataFrame, columns: Columns, lifecycle: Lifecycle, place: str
) -> tuple["_Found", "_Found", "_Found"]:
    refuse_shapes(place, frame.columns, columns, lifecycle)
    ids = ["run_id", "id"]
    if lifecycle.id_field not in ids:
        ids = [lifecycle.id_field, *ids]
    run_id = _found(frame, columns.run_id, ids, "--run-id", place)
    status = _found(frame, columns.status, [lifecycle.status_field], "--status", place)
    at = _found(frame, columns.at, TIME_KEYS, "--at", place)
    if isinstance(run_id.kind, T.ArrayType | T.MapType | T.StructType | T.BinaryType):
        raise FrameError(place, f"{run_id.said}; ids are texts or whole numbers")
    if not isinstance(status.kind, T.StringType | T.NullType):
        raise FrameError(place, f"{status.said}; statuses are texts")

    return run_id, status, at


class _Found(NamedTuple):
    """
    A column that was looked for.
    """

    name: str
    column: Column
    kind: T.DataType

    @property
    def said(self) -> str:
        """What it is, in words."""
        return f"column '{self.name}' is {self.kind.simpleString()}"


def _found(
    frame: DataFrame, named: str | None, usual: Sequence[str], option: str, place: str
) -> _Found:
    wanted = usual if named is None else [named]
    for name in wanted:
        path = _path(frame.schema, name)
        if path is not None:
            column = F.col(".".join(f"`{part.replace('`', '``')}`" for part in path))
            return _Found(name, column, _kind(frame.schema, path))
    reason = missing(wanted, frame.columns, "columns", option)
    if option == "--at":
        reason += "; rows of Spark have no order, so a column of times must be named"

    raise FrameError(place, reason)


def _path(schema: T.StructType, name: str) -> list[str] | None:
    """
    Return the names that lead to *name*: a column, dots and all, or a field of nested ones.
    """
    if name in schema.names:
        return [name]
    first, dot, rest = name.partition(".")
    if not dot or first not in schema.names:
        return None
    inner = schema[first].dataType
    path = _path(inner, rest) if isinstance(inner, T.StructType) else None

    return None if path is None else [first, *path]


def _kind(schema: T.StructType, path: Sequence[str]) -> T.DataType:
    kind: T.DataType = schema
    for part in path:
        kind = kind[part].dataType if isinstance(kind, T.StructType) else kind

    return kind


def _of_number(at: Column) -> Column:
    seconds = at.cast("double")
    in_years = (seconds >= FIRST_SECOND) & (seconds < LAST_SECOND + 1)

    return F.when(in_years, F.rint(seconds * _SECOND).cast("long"))


def _in_years(micros: Column) -> Column:
    in_years = (micros >= FIRST_SECOND * _SECOND) & (micros < (LAST_SECOND + 1) * _SECOND)

    return F.when(in_years, micros)


def _number(given: str) -> object:
    try:
        return int(given) if given.removeprefix("-").isdecimal() else float(given)
    except ValueError:
        return given
