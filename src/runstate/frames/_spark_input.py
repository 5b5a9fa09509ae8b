"""
Where Spark reads, and what it says of that when it cannot.
"""

import errno
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
from pyspark.sql import DataFrame, SparkSession

from .._urls import shown_url
from ._errors import FrameError

__all__ = ["clear", "read_paths", "session"]

_FORMATS: Final = {
    ".parquet": "parquet", ".orc": "orc", ".csv": "csv", ".json": "json", ".jsonl": "json",
    ".ndjson": "json", ".avro": "avro",
}  # fmt: skip
_OPTIONS: Final[Mapping[str, dict[str, str]]] = {"csv": {"header": "true"}}
_FULL: Final = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""What a system says that has no room for what is to be written."""
_PACKED: Final = frozenset({".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate"})


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
            raise FrameError("Spark", _not_started(error, heard())) from None

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


def read_paths(paths: Sequence[str], spark: SparkSession) -> list[tuple[str, DataFrame]]:
    """
    Return what is in *paths*: for each format, its name and one DataFrame.

    Each path goes to Spark as it is: a file, a folder, a pattern, an address.

    Raises:
        FrameError: One cannot be read.
    """
    by_format: dict[str, list[str]] = {}
    for path in paths:
        by_format.setdefault(_format(path), []).append(path)
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
    except (PySparkException, Py4JError) as error:
        raise FrameError(place, _reason(error)) from error


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

    said = _first_line(java.getMessage() or java.getClass().getSimpleName())

    return f"Spark can put no more aside in spark.local.dir: {said}" if said in _FULL else said


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
