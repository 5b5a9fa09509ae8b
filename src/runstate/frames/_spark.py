"""
The rules on Apache Spark, where one machine is not enough.

Spark brings the rows of each run together, in one shuffle by id, and hands them over as Arrow;
the core judges and counts them where they are. Only counts come back, and are merged.

Runs on classic Spark, on Spark Connect, and on other engines that speak its protocol: what is
used is public there too, and nothing of Java's is imported.
"""

import errno
import os
import sys
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import PurePath
from typing import Any, Final

from ._errors import FrameError

try:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql import functions as F  # noqa: N812  everybody's name for it
except ImportError as error:
    raise FrameError("", "PySpark is not installed: pip install 'runstate[spark]'") from error

from .._text import printable
from .._urls import shown_url
from ..histories._packed import packed, unpacked
from ..histories._records import ObservationModel
from ..histories._survey import Survey
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ..readers._record import Interpreter
from ..runs._run import RUN
from ._arrow import Request, judged
from ._columns import chosen, columns_of, judged_columns, wide_columns
from ._lakes import delta_files

__all__ = ["check_spark", "session", "survey_paths", "survey_spark"]

_SCHEMA: Final = (
    "code string, severity string, message string, run_id string, source string, "
    "target string, hint string, file string, line long"
)
_USUAL_COLUMNS: Final = Columns()
_FORMATS: Final = {
    ".parquet": "parquet", ".orc": "orc", ".csv": "csv", ".json": "json", ".jsonl": "json",
    ".ndjson": "json", ".avro": "avro",
}  # fmt: skip
_OPTIONS: Final[Mapping[str, dict[str, str]]] = {"csv": {"header": "true"}}
_PACKED: Final = frozenset({".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate"})
_FULL: Final = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""What a system says that has no room for what is to be written."""
_NUMBERS: Final = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
_ZONELESS: Final = ("timestamp_ntz", "date")


def survey_spark(df: DataFrame, lifecycle: Lifecycle = RUN, **options: Any) -> Survey:
    """
    Return what was observed of the runs in *df*, counted exactly, and what is wrong with them.

    The rows of a run are judged by number, else by time; those of one time are legal if some
    order of them is. A table of Spark has no order of its own, so findings name no row. Those
    that are kept are of the smallest ids.

    Args:
        df: One row per observation, in any order: the run's id (text or a whole number), its
            status (text), and when it was seen (a timestamp, a number, or text as the readers
            take it). Columns that a rule is about are read as the readers read them. Evaluated
            once. The Python of each executor needs runstate and pyarrow.
        lifecycle: The table to hold it against.
        options: Of :class:`runstate.frames.Asked`, but for *memory* and *exact*.

    Raises:
        FrameError: A column is missing or of a type that cannot be used, or Spark cannot read *df*.
        ValueError: *observed* is none of the three models, or a limit is for no status.
    """
    return _surveyed("the DataFrame", [("", df)], _request(lifecycle, **options))


def check_spark(df: DataFrame, lifecycle: Lifecycle = RUN, **options: Any) -> DataFrame:
    """
    Return what is wrong with the runs in *df*, as a DataFrame of the same session.

    Args:
        df: As for :func:`survey_spark`, whose *options* these are.
        lifecycle: The table to hold it against.
        options: Of :func:`survey_spark`; *limit* counts here too.

    Returns:
        One row per finding, with the columns of :class:`runstate.Finding`; sorted by run_id,
        and those of a run in the order of its rows. Faults of whole columns come last.
    """
    survey = survey_spark(df, lifecycle, **{"measured": False, **options})

    return df.sparkSession.createDataFrame([tuple(f) for f in survey.findings], _SCHEMA)


def survey_paths(paths: Sequence[str], lifecycle: Lifecycle = RUN, **options: Any) -> Survey:
    """
    Return what was observed of the runs in *paths*.

    Each path goes to Spark as it is, so it may be a folder, a pattern or an address
    (``s3a://…``); of a folder that is a Delta Lake table, the files that its log names. The
    suffix says the format: Parquet where it says none. The caller's own session is used where
    one is active; else one is started on this machine, and kept.

    Args:
        paths: All are one log.
        lifecycle: The table to hold it against.
        options: Of :func:`survey_spark`.

    Raises:
        FrameError: A path cannot be read, holds no rows or lacks a column, or there is no Java.
        ValueError: As for :func:`survey_spark`.
    """
    request = _request(lifecycle, **options)
    place = ", ".join(map(shown_url, paths))
    survey = _surveyed(place, _read(paths, session()), request)
    if not (survey.observations or survey.tally):
        raise FrameError(place, "holds no rows")

    return survey


def _request(
    lifecycle: Lifecycle,
    *,
    observed: ObservationModel = "complete",
    columns: Columns = _USUAL_COLUMNS,
    assume_utc: bool = False,
    finished: bool = False,
    limits: Mapping[str, float] | None = None,
    now: float | None = None,
    limit: int = 10_000,
    samples: int = 0,
    measured: bool = True,
    allow_reopen: bool = False,
) -> Request:
    request = Request(
        lifecycle, observed, columns, assume_utc, finished, dict(limits or {}), now, limit,
        samples, measured, allow_reopen,
    )  # fmt: skip
    request.monitor()  # refuses what it cannot judge

    return request


def _with_this_python(spark: SparkSession) -> None:
    """
    Have the workers of a Spark on this machine run this Python, unless another one was named.
    """
    context = getattr(spark, "_sc", None)  # of classic Spark alone
    named = "PYSPARK_PYTHON" in os.environ
    if context is not None and not named and str(context.master).startswith("local"):
        context.pythonExec = sys.executable


def _surveyed(place: str, frames: Sequence[tuple[str, DataFrame]], request: Request) -> Survey:
    with clear(place):
        parts = [_selected(place, form, frame, request) for form, frame in frames]
        asked = [each._replace(texts=any(each.texts for _, each in parts)) for _, each in parts]
        request = asked[0]
        if any(each != request for each in asked):
            raise FrameError(place, "its formats have different columns: check one at a time")
        rows = _together([selected for selected, _ in parts])
        _with_this_python(rows.sparkSession)

        def counted(batches: Iterator[Any]) -> Iterator[Any]:
            text = packed(judged(request, batches)).encode()
            yield pa.RecordBatch.from_pydict({"counts": [zlib.compress(text, 1)]})

        # Spark makes the partitions fewer where there is little in them, as no number is named.
        by_run = rows.repartition("id")
        total = request.counts()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Spark's own, about a pandas that is not used here
            counts = by_run.mapInArrow(counted, "counts binary")
        for row in counts.collect():
            total.merge(unpacked(zlib.decompress(row.counts).decode()))

    return total.survey()


# -- columns ---------------------------------------------------------------------


def _together(frames: Sequence[DataFrame]) -> DataFrame:
    """
    Return the rows of all *frames*; columns of several types as texts, and times as numbers.
    """
    kinds = [dict(frame.dtypes) for frame in frames]
    mixed = [name for name in kinds[0] if len({kind[name] for kind in kinds}) > 1]
    for name in mixed:
        seconds = [
            F.col(name).cast("double") if kind[name] == "timestamp" else F.col(name)
            for kind in kinds
        ]
        frames = [
            frame.withColumn(name, column.cast("string"))
            for frame, column in zip(frames, seconds, strict=True)
        ]

    return reduce(DataFrame.unionAll, frames)


def _selected(
    place: str, form: str, frame: DataFrame, request: Request
) -> tuple[DataFrame, Request]:
    """
    Return the columns of *frame* that are needed, with their names in the *request*.

    Raises:
        FrameError: One is missing, or of a type that cannot be used.
    """
    for named in request.columns:
        if named is not None and named not in frame.columns and "." in named:
            frame = _with_nested(frame, named)
    columns, lifecycle = columns_of(frame.columns, request.columns), request.lifecycle
    run_id, status, at = chosen(place, frame.columns, columns, lifecycle)
    kinds = dict(frame.dtypes)
    _refuse_kinds(place, kinds, run_id, status, at, assume_utc=request.assume_utc)
    if at is None and request.observed != "unordered":
        raise FrameError(place, "rows of Spark have no order: name the column of their time (--at)")
    used = tuple(name for name in (run_id, status, at) if name is not None)
    facts = judged_columns(frame.columns, used, columns, lifecycle)
    stamps = Interpreter(columns, lifecycle, None).stamps
    plain = not facts and at not in stamps
    names = used if plain else tuple(wide_columns(frame.columns, used, columns, lifecycle))
    cells = [_column(name).alias(f"c{place}") for place, name in enumerate(names)]
    if plain:
        cells = [_column(status).cast("string").alias("c1"), *cells[2:]]
    selected = frame.select(_column(run_id).cast("string").alias("id"), *cells)

    return selected, request._replace(
        columns=columns, names=names, plain=plain, texts=form == "csv"
    )


def _column(name: str) -> Any:
    return F.col(f"`{name.replace('`', '``')}`")


def _with_nested(frame: DataFrame, name: str) -> DataFrame:
    """
    Return *frame* with the nested column *name*, a dotted path, as a column of that name; if it is there.
    """
    kind: Any = frame.schema
    path = name.split(".")
    for part in path:
        if part not in getattr(kind, "names", ()):
            return frame
        kind = kind[part].dataType
    first, *rest = path

    return frame.withColumn(
        name, reduce(lambda outer, part: outer.getField(part), rest, _column(first))
    )


def _refuse_kinds(
    place: str,
    kinds: Mapping[str, str],
    run_id: str,
    status: str,
    at: str | None,
    *,
    assume_utc: bool,
) -> None:
    said = {
        name: f"column '{printable(name, 60)}' is {printable(kind, 60)}"
        for name, kind in kinds.items()
    }
    if kinds[run_id].startswith(("array", "map", "struct", "binary")):
        raise FrameError(place, f"{said[run_id]}; ids are texts or whole numbers")
    if kinds[status] not in {"string", "void"}:
        raise FrameError(place, f"{said[status]}; statuses are texts")
    if at is None:
        return
    if kinds[at] in _ZONELESS and not assume_utc:
        raise FrameError(
            place, f"{said[at]}, which has no time zone; pass --assume-utc if it is UTC"
        )
    if not kinds[at].startswith((*_NUMBERS, *_ZONELESS, "string", "timestamp", "void")):
        raise FrameError(place, f"{said[at]}; times are timestamps, numbers or ISO 8601 texts")


# -- where it comes from ---------------------------------------------------------


def session() -> SparkSession:
    """
    Return the caller's own session where there is one, else a quiet one on this machine.

    Raises:
        FrameError: It cannot be started; there may be no Java.
    """
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    builder = SparkSession.builder.appName("runstate")
    # Started by spark-submit, or told of a server, Spark knows better where to run.
    if not os.environ.keys() & {"PYSPARK_GATEWAY_PORT", "SPARK_REMOTE", "MASTER"}:
        builder = builder.master("local[*]").config("spark.driver.bindAddress", "127.0.0.1")
        builder = builder.config("spark.driver.host", "127.0.0.1")
    if "SPARK_REMOTE" not in os.environ:
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
            if "SPARK_REMOTE" not in os.environ:
                started.sparkContext.setLogLevel("OFF")
        except Exception as error:
            if not (_is_of_spark(error) or isinstance(error, OSError)):
                raise
            raise FrameError("Spark", _not_started(error, heard())) from None

    return started


def _not_started(error: Exception, heard: str) -> str:
    said = next((line.strip() for line in reversed(heard.splitlines()) if line.strip()), "")
    if "SPARK_REMOTE" in os.environ:
        return f"no server answers at SPARK_REMOTE ({_first_line(str(error))})"

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


def _read(paths: Sequence[str], spark: SparkSession) -> list[tuple[str, DataFrame]]:
    """
    Return what is in *paths*: for each format, its name and one DataFrame.

    Raises:
        FrameError: One cannot be read.
    """
    by_format: dict[str, list[str]] = {}
    for path in paths:
        by_format.setdefault(_format(path), []).extend(delta_files(path) or [path])
    frames = []
    for form, those in by_format.items():
        reader = spark.read.format(form).options(**_OPTIONS.get(form, {}))
        with clear(", ".join(map(shown_url, those))):
            frames.append((form, reader.load(those)))

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
        FrameError: Spark raised.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_spark(error):
            raise
        raise FrameError(place, _reason(error)) from error


def _is_of_spark(error: Exception) -> bool:
    # By the name of the package, since not every client of Spark has the library of Java's.
    return type(error).__module__.partition(".")[0] in {"pyspark", "py4j", "grpc"}


def _reason(error: Exception) -> str:
    """
    Return what is wrong in one line: Spark's innermost cause says what, all others say where.
    """
    said = str(error)
    if "UNABLE_TO_INFER_SCHEMA" in said:
        return "is empty, or not of its format"
    if "No module named 'runstate" in said or "No module named 'pyarrow" in said:
        return "the Python of Spark's executors (PYSPARK_PYTHON) lacks runstate or pyarrow"
    if type(error).__name__ == "PythonException":
        return printable(said.strip().splitlines()[-1], 500)
    java = getattr(error, "java_exception", getattr(error, "_origin", None))
    if java is None:
        return _first_line(said or type(error).__name__)
    while java.getCause() is not None:
        java = java.getCause()
    said = _first_line(java.getMessage() or java.getClass().getSimpleName())

    return f"Spark can put no more aside in spark.local.dir: {said}" if said in _FULL else said


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
