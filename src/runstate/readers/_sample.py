"""
The first records of an input as they stand, and how well they fit the shapes of a lifecycle.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO, Final, NamedTuple

from ..histories._records import Finding, Observation
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._grouping import Grouping
from ._read import read_with
from ._record import MOVE_EVENT, Columns, Interpreter, Passed
from ._shape_columns import shapes_for
from ._shaped import Shaped
from ._times import Times

__all__ = ["Fit", "columns_in", "fit_of", "is_plain", "sample_of"]

_USUAL: Final = frozenset(
    {"id", "run_id", "status", "state", "at", "time", "timestamp", "ts", "type", "name", "event",
     "created_at", "updated_at", "started_at", "completed_at"}
)  # fmt: skip
"""Keys that many systems have, so that none is known by them."""
_MOST_KEYS: Final = 2_000
"""A record of more keys is of none of the systems, and would be looked through for each of them."""
_PLAIN: Final = _USUAL - {"state", "type", "name"} | {"seq", "source", "target", "trigger"}
_STATUS: Final = re.compile(r"((to|new|current|after)[_ ]?)?(status|state|phase)", re.IGNORECASE)
_SOURCE: Final = re.compile(
    r"(from|old|prev|previous|before)([_ ]?(status|state|phase))?", re.IGNORECASE
)
_OBJECT: Final = re.compile(
    r"(.*[_. -])?(run|job|task|execution|order|request|workflow)([_ -]?(id|uuid|key))?",
    re.IGNORECASE,
)
_ANY_ID: Final = re.compile(r"(.*[_. -])?(id|uuid|guid|key)", re.IGNORECASE)


class Fit(NamedTuple):
    """
    How well the records of a sample fit a lifecycle.
    """

    share: float
    """Share of the records that say a status the lifecycle knows, from 0 to 1."""
    weight: float
    """How many facts of a record, on average, stand where few other systems have them."""
    statuses: frozenset[str]
    """The statuses that they have."""


def sample_of(stream: BinaryIO, *, format: str, name: str) -> Iterator[dict[str, Any]]:  # noqa: A002
    """
    Yield the records at the beginning of *stream*: objects, whatever they are about.

    Args:
        stream: As for :func:`runstate.readers.read`, like the others.
        format: One of the formats, or ``auto``.
        name: What the input is called.
    """
    sampler = _Sampler(Columns(), RUN, name)
    for _ in read_with(sampler, stream, format, name):
        yield from sampler.taken()


class _Sampler(Interpreter):
    """
    Takes records as they are, and says nothing about them.
    """

    def __init__(self, columns: Columns, lifecycle: Lifecycle, name: str) -> None:
        super().__init__(columns, lifecycle, name, times=Times(None))
        self.all_columns = self.takes_lines = True
        # Rows of tables are taken with their empty cells.
        self.watch = Grouping(lifecycle, "complete", lambda *_: 0.0)
        self._taken: list[dict[str, Any]] = []

    def may_be_read(self, value: Any) -> bool:  # noqa: ARG002  every record is wanted
        return True

    def observe(self, value: Any, line: int) -> Sequence[Finding]:
        record = value if self.whole is None else {**self.whole}
        each = record if isinstance(record, list) else [record]
        self._taken += [one for one in each if isinstance(one, dict) and len(one) <= _MOST_KEYS]

        return (self.finding("RS902", "a record", line),)

    def taken(self) -> list[dict[str, Any]]:
        taken, self._taken = self._taken, []

        return taken


def is_plain(record: Mapping[str, Any]) -> bool:
    """
    Return whether *record* is one of a run in this package's own words, and of no other system.
    """
    if record.get("event") == MOVE_EVENT or record.get("object") == RUN.kind:
        return True
    kinds = {str(record.get("status")), str(record.get("target", record.get("status")))}

    return _PLAIN.issuperset(record) and kinds <= RUN.known


def fit_of(records: Sequence[dict[str, Any]], lifecycle: Lifecycle) -> Fit:
    """
    Return how well *records* fit *lifecycle*.

    Args:
        records: A sample of an input.
        lifecycle: Whose shapes are tried, or whose keys if it has none.
    """
    shapes, columns = shapes_for(Columns(), lifecycle), Columns()
    common: dict[str, Any] = {"times": Times(None), "passed": Passed()}
    sight: list[tuple[int, Mapping[str, Any]]] = []
    interpreter: Interpreter
    if shapes:
        interpreter = shaped = Shaped(columns, lifecycle, None, shapes=shapes, **common)
        shaped.sight = sight
    else:
        interpreter = Interpreter(columns, lifecycle, None, skip=True, **common)
    beside = {*lifecycle.identity, *lifecycle.stamp_fields, *(lifecycle.fields or ())} - _USUAL
    beside -= set() if lifecycle is RUN else {*(RUN.fields or ()), *RUN.stamp_fields}
    fitting, weight, statuses = 0, 0, set()
    for record in records:
        sight.clear()
        seen = [each for each in interpreter.observe(record, 1) if isinstance(each, Observation)]
        if not seen or not {each.status for each in seen} <= lifecycle.known:
            continue
        kinds = {each.get("object") for _, each in sight}
        if lifecycle.kind is not None and not kinds <= {None, "", lifecycle.kind}:
            continue
        fitting += 1
        statuses |= {each.status for each in seen}
        # A shape for runs of another spelling fits those of the usual one as well.
        told = lifecycle.kind is not None and not (shapes and lifecycle.kind == RUN.kind)
        kind = 4 * (told and lifecycle.kind in (kinds or {record.get("object")}))
        weight += kind + max((points for points, _ in sight), default=0)
        weight += len(beside.intersection(sight[0][1] if sight else record))

    return Fit(fitting / max(len(records), 1), weight / max(fitting, 1), frozenset(statuses))


def columns_in(records: Sequence[Mapping[str, Any]]) -> Columns | None:
    """
    Return the columns by which *records* of an unknown system can be read; None if that is unclear.
    """
    keys = dict.fromkeys(key for record in islice(records, 20) for key in record)
    status = next(filter(_STATUS.fullmatch, keys), "")
    ids = [key for pattern in (_OBJECT, _ANY_ID) for key in keys if pattern.fullmatch(key)]
    texts = [str(record[status]) for record in records if record.get(status)]
    if not (status and ids and texts) or any(" " in text for text in texts):
        return None
    source = next(filter(_SOURCE.fullmatch, keys), None)

    return Columns(run_id=ids[0], status=status, source=source)
