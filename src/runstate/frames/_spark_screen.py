"""
The rules as expressions that Spark plans: what there is of everything, and which runs are wrong.

Every row of the log gets a *code*: the position of its status in the lifecycle, or one of
four numbers after those, for a status that the lifecycle does not know, for none at all, and
for a row without a time or with one that cannot be read. These come behind all other rows of
their run, so that they take no part in its sequence.

A table of Spark has no order of its own: the rows of a run are in the order of their time, and
those of one time in the order of their codes. Only equal rows are equal in that order, so what
is counted here is exact, and whoever judges the rows in that order finds the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from itertools import combinations
from operator import or_
from typing import Any, Final

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F  # noqa: N812  everybody's name for it

from ..histories._survey import OCTAVE
from ._spark_question import Question

__all__ = ["coded", "in_sequence", "order_free"]

_BEHIND_ALL: Final = 2**63 - 1
_BEHIND: Final = 2**60
"""More microseconds than any time has; rows of no known status come so much later."""
_MICROSECONDS: Final = 1e6


def coded(rows: DataFrame, question: Question) -> DataFrame:
    """
    Return *rows* with their codes, lazily.

    Args:
        rows: Of :class:`Given`, in any order.
        question: What is asked.

    Returns:
        The same rows with code (int) and hash (long, of the run's id).
    """
    known = _by_value("status", dict(zip(question.statuses, range(question.unknown), strict=True)))
    code = (
        F.when(F.col("at").isNull() & F.col("given").isNull(), question.timeless)
        .when(F.col("at").isNull(), question.mistimed)
        .when(F.col("status").isNull() | (F.col("status") == ""), question.nameless)
        .otherwise(F.coalesce(known, F.lit(question.unknown)))
    )

    return rows.select("*", code.alias("code"), F.xxhash64("run_id").alias("hash"))


# -- in the order of the rows ----------------------------------------------------


def in_sequence(coded: DataFrame, question: Question) -> DataFrame:
    """
    Count what follows what in every run, with one sort of the rows.

    Args:
        coded: What :func:`coded` made.
        question: What is asked.

    Returns:
        One row for each kind of row there is: before and code (int; before is null for the
        first of a run), last (whether it is the last of its run with a status), mask (long,
        the bits of the run's statuses, at the last), bucket (of the duration, at a move),
        wrong, and run_id where it is wrong; n (how many there are), total and longest (of the
        durations, microseconds), stuck (limits exceeded), began and ended (long).
    """
    rows = _placed(coded, question)
    if question.moving or question.limits:
        rows = _timed(rows)
    else:
        rows = rows.withColumn("since", F.lit(None).cast("long"))
    rows = rows.withColumn("stuck", _stuck(question))
    rows = rows.withColumn("wrong", _any([*_wrong_in_sequence(question), F.col("stuck") > 0]))
    moved = F.col("before") != F.col("code")
    dwell = F.when(moved & (F.col("code") < question.unknown), F.col("at") - F.col("since"))
    rows = rows.withColumn("dwell", dwell)

    return rows.groupBy(
        "before", "code", "last", "mask", _bucket("dwell").alias("bucket"), "wrong", _suspect()
    ).agg(
        F.count("*").alias("n"),
        F.sum(F.col("dwell").cast("double")).alias("total"),
        F.max("dwell").alias("longest"),
        F.sum("stuck").alias("stuck"),
        F.min(F.pmod("at", F.lit(_BEHIND))).alias("began"),
        F.max(F.pmod("at", F.lit(_BEHIND))).alias("ended"),
    )


def _placed(coded: DataFrame, question: Question) -> DataFrame:
    """
    Return rows with the code before each in its run, and the bits of the run at its last.
    """
    strange, nameless = F.col("code") == question.unknown, F.col("code") == question.nameless
    at = (
        F.when(strange, F.col("at") + _BEHIND)
        .when(nameless, F.col("at") + 2 * _BEHIND)
        .otherwise(F.coalesce(F.col("at"), F.lit(_BEHIND_ALL)))
    )
    rows = coded.select("hash", "run_id", "code", at.alias("at"))
    after = F.lead("code").over(_of_a_run())
    bit = F.expr(f"CASE WHEN code < {question.unknown} THEN shiftleft(1L, code) END")
    mask = F.bit_or(bit).over(_of_a_run().rowsBetween(Window.unboundedPreceding, 0))
    rows = rows.select(
        "*",
        F.lag("code").over(_of_a_run()).alias("before"),
        after.alias("after"),
        mask.alias("mask"),
    )
    none_after = F.col("after").isNull() | (F.col("after") >= question.unknown)
    last = none_after & (F.col("code") < question.unknown)

    return rows.select(
        "hash",
        "run_id",
        "code",
        "at",
        "before",
        last.alias("last"),
        F.when(last, F.col("mask")).alias("mask"),
    )


def _timed(rows: DataFrame) -> DataFrame:
    """
    Return *rows* with the time from which on the run had had the status before: since.
    """
    entered = F.when(F.col("before").isNull() | (F.col("before") != F.col("code")), F.col("at"))
    until_here = _of_a_run().rowsBetween(Window.unboundedPreceding, -1)

    return rows.withColumn("since", F.last(entered, ignorenulls=True).over(until_here))


def _of_a_run() -> WindowSpec:
    # The hash sorts as one number, where ids alone would be compared letter by letter: 22 s
    # became 14 s for 5.5 million rows. The id beside it keeps runs apart whose hashes collide.
    return Window.partitionBy("hash", "run_id").orderBy("at", "code")


def _wrong_in_sequence(question: Question) -> Iterator[Column]:
    statuses = question.statuses
    pairs = [
        i * len(statuses) + j
        for i, source in enumerate(statuses)
        for j, target in enumerate(statuses)
        if not question.may_follow(source, target)
    ]
    yield F.col("code") >= question.unknown
    if pairs:
        followed = F.col("before").isNotNull() & (F.col("code") < question.unknown)
        yield followed & (F.col("before") * len(statuses) + F.col("code")).isin(pairs)
    if question.observed == "complete":
        begins = [statuses.index(str(s)) for s in question.lifecycle.initial_statuses]
        yield F.col("before").isNull() & ~F.col("code").isin(begins)
    yield from _wrong_in_all(question)


def _wrong_in_all(question: Question) -> Iterator[Column]:
    """
    Yield what is wrong with the statuses of a whole run, whose bits are its mask.
    """
    if question.observed == "unordered":
        for one, other in combinations(question.statuses, 2):
            if not question.in_one_run(one, other):
                both = _bits(question, {one, other}.__contains__)
                yield F.col("mask").bitwiseAND(F.lit(both)) == both
    if question.finished:
        yield ~_has_ended(question)


def _has_ended(question: Question) -> Column:
    ends = _bits(question, question.lifecycle.is_terminal)

    return F.col("mask").bitwiseAND(F.lit(ends).cast("long")) != 0


def _stuck(question: Question) -> Column:
    """
    Return how many limits a row shows to have been exceeded: of the status before, of its own.
    """
    if not question.limits:
        return F.lit(0)
    seconds = {question.statuses.index(str(s)): float(x) for s, x in question.limits.items()}
    unchanged = F.col("before") == F.col("code")
    at, since = _seconds("at"), _seconds("since")
    before = (at - since > _by_value("before", seconds)) & ~unchanged
    entered = F.when(unchanged, since).otherwise(at)
    waits = at - entered > _by_value("code", seconds)
    if question.now is not None:
        late = F.lit(float(question.now)) - entered > _by_value("code", seconds)
        waits = waits | (late & ~_has_ended(question))
    known = F.col("code") < question.unknown

    return _one_if(known & before) + _one_if(known & F.col("last") & waits)


# -- without their order ---------------------------------------------------------


def order_free(coded: DataFrame, question: Question) -> DataFrame:
    """
    Count which statuses runs had, without a sort of the rows.

    Of statuses that can each reach the others, no order is wrong. So a run that was polled is
    right where of any two such components, the one that leads to the other was left before
    that was entered.

    Args:
        coded: What :func:`coded` made.
        question: What is asked; not about durations.

    Returns:
        One row for each kind of run there is: mask (long, the bits of its statuses), end (int,
        the code of the last), wrong, and run_id where it is wrong; runs, seen_0, seen_1, …
        (rows of each code), began and ended (long).
    """
    bits = question.mistimed.bit_length()
    known = F.col("code") < question.unknown
    keyed = coded.select(
        "run_id",
        "code",
        "at",
        F.when(known, F.shiftleft("at", bits) + F.col("code")).alias("key"),
        F.expr(f"CASE WHEN code < {question.unknown} THEN shiftleft(1L, code) ELSE 0L END").alias(
            "bit"
        ),
    )
    codes = range(question.mistimed + 1)
    runs = keyed.groupBy("run_id").agg(
        F.bit_or("bit").alias("mask"),
        F.max("key").bitwiseAND(F.lit((1 << bits) - 1)).alias("end"),
        F.min("at").alias("began"),
        F.max("at").alias("ended"),
        *(F.sum(_one_if(F.col("code") == code)).alias(f"seen_{code}") for code in codes),
        *_components(question),
    )
    wrong = _any(_wrong_without_order(question))
    counted = F.sum(_one_if((F.col("mask") != 0) | (F.col(f"seen_{question.unknown}") > 0)))

    return (
        runs.withColumn("wrong", wrong)
        .groupBy("mask", "end", "wrong", _suspect())
        .agg(
            counted.alias("runs"),
            *(F.sum(f"seen_{code}").alias(f"seen_{code}") for code in codes),
            F.min("began").alias("began"),
            F.max("ended").alias("ended"),
        )
    )


def _components(question: Question) -> Iterator[Column]:
    """
    Yield when each component was first and last seen, in the order of the rows.
    """
    if question.observed == "unordered":
        return
    for number, component in enumerate(question.lifecycle.components):
        member = F.col("code").isin([question.statuses.index(str(s)) for s in component])
        key = F.when(member, F.col("key"))
        yield F.min(key).alias(f"first_{number}")
        yield F.max(key).alias(f"last_{number}")


def _wrong_without_order(question: Question) -> Iterator[Column]:
    for code in range(question.unknown, question.mistimed + 1):
        yield F.col(f"seen_{code}") > 0
    if question.finished:
        yield (F.col("mask") != 0) & ~_has_ended(question)
    if question.observed == "unordered":
        yield from _wrong_in_all(question._replace(finished=False))
        return
    components = [min(map(str, component)) for component in question.lifecycle.components]
    for (i, one), (j, other) in combinations(enumerate(components), 2):
        # Earlier components never come after later ones, by the order they are in.
        if question.may_follow(one, other):
            yield F.col(f"last_{i}") > F.col(f"first_{j}")
        else:
            yield F.col(f"last_{i}").isNotNull() & F.col(f"first_{j}").isNotNull()


# -- words -----------------------------------------------------------------------


def _bits(question: Question, chosen: Callable[[str], bool]) -> int:
    return sum(1 << code for code, status in enumerate(question.statuses) if chosen(status))


def _any(conditions: Iterable[Column]) -> Column:
    """
    Return whether one of *conditions* holds; those about nothing do not.
    """
    return reduce(or_, (F.coalesce(condition, F.lit(False)) for condition in conditions))  # noqa: FBT003


def _by_value(name: str, chosen: Mapping[Any, float]) -> Column:
    """
    Return what is *chosen* for the value of a column, null for the others.
    """
    (first, value), *others = chosen.items()
    column = F.when(F.col(name) == first, value)
    for other, value in others:
        column = column.when(F.col(name) == other, value)

    return column


def _one_if(condition: Column) -> Column:
    return F.when(condition, 1).otherwise(0)


def _seconds(name: str) -> Column:
    return F.col(name) / F.lit(_MICROSECONDS)


def _bucket(name: str) -> Column:
    """
    Return the bucket of a duration; see :func:`runstate.histories._survey.bucket_of`.
    """
    grown = 1 + F.floor(F.log2(name) * OCTAVE)

    return F.when(F.col(name) > 0, grown).when(F.col(name) == 0, 0)


def _suspect() -> Column:
    return F.when(F.col("wrong"), F.col("run_id")).alias("run_id")
