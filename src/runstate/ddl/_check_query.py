"""
The rules of an ordered, complete history as one query.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from .._text import printable
from ..lifecycle._table import Lifecycle
from ._guard import identifier, quoted
from ._sqlglot import translated

__all__ = ["QUERY_DIALECTS", "TRANSLATED_DIALECTS", "check_query"]

QUERY_DIALECTS: Final[tuple[str, ...]] = ("postgresql", "duckdb", "sqlite")
"""Databases on which the suite executes the query; its text is the same for all."""
TRANSLATED_DIALECTS: Final[tuple[str, ...]] = (
    "spark", "bigquery", "clickhouse", "databricks", "redshift", "snowflake", "trino",
)  # fmt: skip
"""Databases that SQLGlot translates the query for. The suite executes it on the first alone."""

Pair = tuple[str, str]

_COMMENT: Final = """\
-- The rows of {table} that the lifecycle {name} excludes, under the model complete.
-- code: RS101 unknown status, RS102 not a beginning, RS103 illegal move, RS105 after a terminal
-- status; missing: the id, the status or the time is NULL; tied: several statuses at one time,
-- whose order is unknown, so that nothing else is said about their run.
"""
_NOT_EXECUTED: Final = """\
-- SQLGlot translated this query for {dialect}; runstate's tests do not execute it there.
"""
_QUERY: Final = """\
WITH legal (source, target) AS ({legal}
),
observed AS (
  SELECT {key} AS run_id, CAST({column} AS TEXT) AS status, {at} AS observed_at
  FROM {table}
),
tied AS (
  SELECT run_id, observed_at FROM observed
  WHERE run_id IS NOT NULL AND status IS NOT NULL AND observed_at IS NOT NULL
  GROUP BY run_id, observed_at HAVING COUNT(DISTINCT status) > 1
),
ordered AS (
  SELECT run_id, status, observed_at,
    LAG(status) OVER (PARTITION BY run_id ORDER BY observed_at) AS previous
  FROM observed
  WHERE status IN ({statuses}) AND run_id IS NOT NULL AND observed_at IS NOT NULL
    AND run_id NOT IN (SELECT run_id FROM tied)
)
SELECT run_id, observed_at, CAST(NULL AS TEXT) AS previous, status, 'missing' AS code
FROM observed WHERE run_id IS NULL OR status IS NULL OR observed_at IS NULL
UNION ALL
SELECT observed.run_id, observed.observed_at, NULL, observed.status, 'tied'
FROM observed JOIN tied
  ON observed.run_id = tied.run_id AND observed.observed_at = tied.observed_at
UNION ALL
SELECT run_id, observed_at, NULL, status, 'RS101'
FROM observed
WHERE status NOT IN ({statuses}) AND run_id IS NOT NULL AND observed_at IS NOT NULL
  AND run_id NOT IN (SELECT run_id FROM tied)
UNION ALL
SELECT run_id, observed_at, NULL, status, 'RS102'
FROM ordered WHERE previous IS NULL AND status NOT IN ({initial})
UNION ALL
SELECT run_id, observed_at, previous, status,
  CASE WHEN previous IN ({terminal}) THEN 'RS105' ELSE 'RS103' END
FROM ordered
WHERE previous IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM legal WHERE source = previous AND target = status
)
"""


def check_query(
    lifecycle: Lifecycle,
    *,
    dialect: str = "postgresql",
    table: str = "runs",
    column: str = "status",
    key: str = "id",
    at: str = "at",
) -> str:
    """
    Return one SELECT whose rows are those that *lifecycle* excludes.

    It judges a table of observations, of which it takes that every change was recorded (the
    model ``complete``), by the order of their times. A row with several statuses of one run at
    one time cannot be ordered: it is returned as ``tied``, and nothing else is said about that
    run. No rows: nothing wrong. For dbt, this is a singular test.

    Args:
        lifecycle: The table of legal moves, without rows that reopen.
        dialect: The database that is to answer: one of ``QUERY_DIALECTS``, or one of
            ``TRANSLATED_DIALECTS``, for which SQLGlot (``runstate[warehouses]``) is needed.
        table: The table of observations; also ``schema.table``.
        column: Its column of the status.
        key: Its column that identifies a run.
        at: Its column of the time of an observation.

    Raises:
        ValueError: The dialect is unknown, a name is not a plain identifier, or the lifecycle has
            rows that reopen, whose attempts the query does not see.
        MissingExtraError: The dialect needs SQLGlot, which is not installed.

    Example:
        >>> from runstate import RUN
        >>> print(check_query(RUN, table="run_events").splitlines()[0])
        -- The rows of "run_events" that the lifecycle run excludes, under the model complete.
    """
    if dialect not in (*QUERY_DIALECTS, *TRANSLATED_DIALECTS):
        known = ", ".join((*QUERY_DIALECTS, *TRANSLATED_DIALECTS))
        raise ValueError(f"dialect: expected one of {known}, got {dialect!r}")
    if lifecycle.reopenings:
        raise ValueError(
            f"lifecycle {lifecycle.name} has rows that reopen, such as {lifecycle.reopenings[0]}, and "
            "the query cannot see attempts: use runstate check"
        )
    named = {
        "table": ".".join(identifier("table", part) for part in table.split(".")),
        "column": identifier("column", column),
        "key": identifier("column", key),
        "at": identifier("column", at),
    }
    comment = _COMMENT.format(table=named["table"], name=printable(lifecycle.name))
    if dialect in QUERY_DIALECTS:
        return comment + _query(lifecycle, named, _rows)
    if dialect != "spark":
        comment += _NOT_EXECUTED.format(dialect=dialect)

    return comment + translated(_query(lifecycle, named, _selects), dialect)


def _query(
    lifecycle: Lifecycle, named: Mapping[str, str], legal: Callable[[Iterable[Pair]], str]
) -> str:
    statuses = [*map(str, lifecycle.statuses)]
    ends = [each for each in statuses if lifecycle.is_terminal(each)]

    return _QUERY.format(
        **named,
        legal=legal(sorted(lifecycle.seen_next)),
        statuses=", ".join(map(quoted, statuses)),
        initial=", ".join(map(quoted, lifecycle.initial_statuses)),
        # IN () is not SQL: a machine that never ends has no status of the empty name.
        terminal=", ".join(map(quoted, ends or [""])),
    )


def _rows(pairs: Iterable[Pair]) -> str:
    """
    Return the pairs as one list, of which a database has no limit.
    """
    return "VALUES\n  " + ",\n  ".join(f"({quoted(s)}, {quoted(t)})" for s, t in pairs)


def _selects(pairs: Iterable[Pair]) -> str:
    """
    Return the pairs as every database can say them: not each has a list of rows.
    """
    return "\n  UNION ALL ".join(
        f"SELECT {quoted(s)} AS source, {quoted(t)} AS target" for s, t in pairs
    )
