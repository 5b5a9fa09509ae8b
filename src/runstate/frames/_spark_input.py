"""
What Spark is given, made one shape: a run's id, its status, and microseconds.
"""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, Final

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812  everybody's name for it
from pyspark.sql import types as T  # noqa: N812

from .._lifecycle import Lifecycle
from .._text import printable
from ..errors import RunstateError
from ..readers import Columns
from ..readers._keys import missing
from ..readers._record import TIME_KEYS

__all__ = ["SparkInputError", "clear", "read_paths", "rows_of", "session"]

_FORMATS: Final = {
    ".parquet": "parquet", ".orc": "orc", ".csv": "csv", ".json": "json", ".jsonl": "json",
    ".ndjson": "json", ".avro": "avro",
}  # fmt: skip
_OPTIONS: Final[Mapping[str, dict[str, str]]] = {"csv": {"header": "true"}}
_PACKED: Final = frozenset({".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate"})
_ZONE: Final = r"(?i)(z|[+-]\d\d(:?\d\d)?)\s*$"
_EPOCH: Final = "timestamp_ntz'1970-01-01 00:00:00'"
_DAY: Final = 86_400_000_000


class SparkInputError(RunstateError, ValueError):
    """
    Raised when Spark cannot read its input, or the input lacks what is needed.
    """

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        """What was to be read."""
        self.reason = reason
        """What is wrong with it."""
        super().__init__(place, reason)

    def _message(self) -> str:
        return printable(": ".join(part for part in (self.place, self.reason) if part), 1_000)


# -- where it comes from ---------------------------------------------------------


def session() -> SparkSession:
    """
    Return the caller's own session where there is one, else a quiet one on this machine.

    Raises:
        SparkInputError: It cannot be started; there may be no Java.
    """
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    builder = SparkSession.builder.appName("runstate")
    # Started by spark-submit, or told of a server, Spark knows better where to run.
    if not os.environ.keys() & {"PYSPARK_GATEWAY_PORT", "SPARK_REMOTE", "MASTER"}:
        builder = builder.master("local[*]").config("spark.driver.bindAddress", "127.0.0.1")
        builder = builder.config("spark.driver.host", "127.0.0.1")
    builder = (
        builder.config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.legacy.parquet.nanosAsLong", "true")
    )
    with _overheard() as heard, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            started = builder.getOrCreate()
            started.sparkContext.setLogLevel("OFF")
        except (PySparkException, Py4JError, OSError) as error:
            raise SparkInputError("Spark", _not_started(error, heard())) from None

    return started


def _not_started(error: Exception, heard: str) -> str:
    said = next((line.strip() for line in reversed(heard.splitlines()) if line.strip()), "")

    return f"cannot be started; it needs Java 17 or 21 ({said or _first_line(str(error))})"


@contextmanager
def _overheard() -> Iterator[Any]:
    """
    Keep what Java says while it starts from the caller's terminal; yield what tells it.

    The Java process is born with this standard error and keeps it, so that it is quiet later.
    """
    if os.environ.get("RUNSTATE_SPARK_LOG"):
        yield lambda: ""
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)

        def heard() -> str:
            return os.pread(file.fileno(), 100_000, 0).decode(errors="replace")

        try:
            yield heard
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def read_paths(paths: Sequence[str], spark: SparkSession) -> list[DataFrame]:
    """
    Return what is in *paths*, one DataFrame for each format.

    Each path goes to Spark as it is: a file, a folder, a pattern, an address.

    Raises:
        SparkInputError: One cannot be read.
    """
    by_format: dict[str, list[str]] = {}
    for path in paths:
        by_format.setdefault(_format(path), []).append(path)
    frames = []
    for form, those in by_format.items():
        reader = spark.read.format(form).options(**_OPTIONS.get(form, {}))
        with clear(", ".join(those)):
            frames.append(reader.load(those))

    return frames


def _format(path: str) -> str:
    suffixes = [
        suffix.lower() for suffix in PurePath(path).suffixes if suffix.lower() not in _PACKED
    ]

    return _FORMATS.get(suffixes[-1] if suffixes else "", "parquet")


@contextmanager
def clear(place: str) -> Iterator[None]:
    """
    Turn what Spark raises into one line about *place*.

    Raises:
        SparkInputError: Spark raised.
    """
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise SparkInputError(place, _reason(error)) from error


def _reason(error: Exception) -> str:
    """
    Return what is wrong in one line: Spark's innermost cause says what, all others say where.
    """
    if isinstance(error, PySparkException) and error.getCondition() == "UNABLE_TO_INFER_SCHEMA":
        return "is empty, or not of its format"
    java = getattr(error, "java_exception", getattr(error, "_origin", None))
    if java is None:
        return _first_line(str(error) or type(error).__name__)
    while java.getCause() is not None:
        java = java.getCause()

    return _first_line(java.getMessage() or java.getClass().getSimpleName())


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


# -- what it means ---------------------------------------------------------------


def rows_of(frame: DataFrame, columns: Columns, lifecycle: Lifecycle, place: str) -> DataFrame:
    """
    Return *frame* as run_id (string), status (string), at (long, microseconds since 1970).

    A time is a timestamp, one without a zone being of UTC; a date; a number of Unix seconds, or
    of milli-, micro- or nanoseconds where it is too large for them; or a text of one of these.
    Whatever is none of them is null.

    Raises:
        SparkInputError: A column is missing.
    """
    ids = dict.fromkeys([lifecycle.id_field, "run_id", "id"])
    usual = ["run_id", "id"] if lifecycle.id_field == "id" else list(ids)
    run_id = _column(frame, columns.run_id, usual, "--run-id", place)
    status = _column(frame, columns.status, [lifecycle.status_field], "--status", place)
    at = _column(frame, columns.at, TIME_KEYS, "--at", place)
    with clear(place):
        kind = frame.select(at.alias("at")).schema["at"].dataType
        micros = _micros(
            at, kind, utc=frame.sparkSession.conf.get("spark.sql.session.timeZone") == "UTC"
        )
        return frame.select(
            run_id.cast("string").alias("run_id"),
            status.cast("string").alias("status"),
            micros.alias("at"),
        )


def _column(
    frame: DataFrame, named: str | None, usual: Sequence[str], option: str, place: str
) -> Column:
    wanted = usual if named is None else [named]
    for name in wanted:
        path = _path(frame.schema, name)
        if path is not None:
            return F.col(".".join(f"`{part.replace('`', '``')}`" for part in path))
    reason = missing(wanted, frame.columns, "columns", option)
    if option == "--at":
        reason += "; rows of Spark have no order, so a column of times must be named"

    raise SparkInputError(place, reason)


def _path(schema: T.StructType, name: str) -> list[str] | None:
    """
    Return the names that lead to *name*: a column, dots and all, or a field of nested ones.
    """
    if name in schema.names:
        return [name]
    path, level = name.split("."), schema
    for part in path[:-1]:
        inner = level[part].dataType if part in level.names else None
        if not isinstance(inner, T.StructType):
            return None
        level = inner

    return path if path[-1] in level.names else None


def _micros(at: Column, kind: T.DataType, *, utc: bool) -> Column:
    """
    Return the microseconds that a column *at* of some *kind* says.
    """
    if isinstance(kind, T.TimestampType):
        return F.unix_micros(at)
    if isinstance(kind, T.TimestampNTZType):
        return _zoneless(at, utc=utc)
    if isinstance(kind, T.DateType):
        return F.unix_date(at).cast("long") * _DAY
    if isinstance(kind, T.NumericType):
        return _counted(at, whole=isinstance(kind, T.IntegralType))
    if isinstance(kind, T.StringType):
        zoned = F.unix_micros(at.try_cast("timestamp"))
        zoneless = _zoneless(at.try_cast("timestamp_ntz"), utc=utc)
        number = _counted(at.try_cast("double"), whole=False)
        return F.coalesce(number, F.when(at.rlike(_ZONE), zoned).otherwise(zoneless))

    return F.lit(None).cast("long")


def _zoneless(at: Column, *, utc: bool) -> Column:
    if utc:  # the fast way, where the session's zone changes nothing
        return F.unix_micros(at.cast("timestamp"))
    elapsed = (at - F.expr(_EPOCH)).cast("interval second").cast("decimal(20, 6)")

    return (elapsed * 1_000_000).cast("long")


def _counted(at: Column, *, whole: bool) -> Column:
    """
    Return the microseconds that a number is, whose unit its size tells.

    The years 2000 to 2099 are far apart in seconds, milli-, micro- and nanoseconds.
    """
    size = F.abs(at)
    number = at.cast("long") if whole else at.cast("double")
    scaled = (
        F.when(size < 10**11, number * 1_000_000)
        .when(size < 10**14, number * 1_000)
        .when(size < 10**17, number)
    )
    if whole:
        return scaled.otherwise(F.call_function("div", number, F.lit(1_000)))

    return F.when(size < 10**17, F.rint(scaled).cast("long"))
