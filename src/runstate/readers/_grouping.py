"""
Histories that a reader did not see, because the rows of each stand under ids of their own.

A table of events has an id for each row, and the run's id in another column. Where no run was seen
twice, this module looks for such a column, and for arrays of statuses inside of the records.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from ..histories._records import ObservationModel
from ..lifecycle._table import Lifecycle
from ._values import TIME_KEYS, BadRecordError

__all__ = ["Grouping"]

MOST_RECORDS: Final = 100_000
"""Records that are looked at; those beyond would say nothing new."""
_MOST_COLUMNS: Final = 60
_MOST_IN_ARRAY: Final = 1_000
_LONGEST_KEY: Final = 200
_IDS: Final = ("id", "uuid", "guid", "key", "ref", "run", "job", "task", "execution", "workflow")
"""How the names of columns end that say which object a row is about."""
_NAMES_A_RUN: Final = re.compile(
    r"(^|[_.-])(run|job|task|execution|order|request)[_-]?(id|uuid|key)$", re.IGNORECASE
)
"""Names of which nothing more has to be asked: they say what a history is of."""
_STATUS_KEYS: Final = ("status", "state", "to", "name", "type")

_Row = tuple[float, int, str, Any]
"""Time, place and status of a record, and when its own object was created."""


class Grouping:
    """
    Looks at the records of one input for a column that makes histories of them.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        observed: ObservationModel,
        time_of: Callable[[object, str], float],
    ) -> None:
        """
        Look for histories of *lifecycle*.

        Args:
            lifecycle: What histories are recognised by.
            observed: What was seen of each run.
            time_of: Returns the Unix seconds that a value says under a key.
        """
        self._lifecycle = lifecycle
        self._next = lifecycle.seen_next if observed == "complete" else lifecycle.seen_later
        self._time_of = time_of
        self._passed = {
            lifecycle.id_field,
            *lifecycle.identity,
            *lifecycle.stamp_fields,
            *TIME_KEYS,
        }
        self._groups: dict[str, dict[str, list[_Row]]] = {}
        self._records = 0
        self.array: str | None = None
        """Where the first array of statuses stands that nothing reads; None if there is none."""

    def look_at(self, record: Mapping[str, Any], status: str, at: float | None) -> None:
        """
        Look at one record whose *status* was read, seen *at*.
        """
        self._records += 1
        if self._records > MOST_RECORDS:
            return
        created = next((record[k] for k in self._lifecycle.created if record.get(k)), None)
        stamps = sum(bool(record.get(key)) for key in self._lifecycle.stamp_fields)
        row = (
            self._when(record) if at is None else at,
            self._records,
            status,
            # With other stamps beside it, this is when the object was created, and not the row.
            created if stamps > 1 else None,
        )
        for path, value in _flat(record):
            if isinstance(value, list):
                self._look_into(path, value)
            elif self._names_an_object(path) and type(value) in {str, int} and value != "":
                self._groups.setdefault(path, {}).setdefault(str(value), []).append(row)
                if len(self._groups) > _MOST_COLUMNS:
                    self._groups.popitem()

    def _when(self, record: Mapping[str, Any]) -> float:
        for key in (*TIME_KEYS, *self._lifecycle.created):
            if record.get(key) is not None:
                try:
                    return self._time_of(record[key], key)
                except BadRecordError:
                    break

        return 0.0

    def _names_an_object(self, path: str) -> bool:
        last = path.rpartition(".")[2]

        return (
            path not in self._passed
            and last not in self._lifecycle.identity
            and len(path) <= _LONGEST_KEY
            and last.lower().replace("-", "_").endswith(_IDS)
        )

    def _look_into(self, path: str, values: list[Any]) -> None:
        if self.array is not None or len(values) < 2:
            return
        found = [*map(self._status_in, values[:_MOST_IN_ARRAY])]
        # An array of other objects, each with its id, is no history of this one.
        if None not in found and len({*found}) > 1:
            self.array = path

    def _status_in(self, value: Any) -> str | None:
        if isinstance(value, dict):
            if any(key.lower().endswith("id") for key in value if isinstance(key, str)):
                return None
            keys = (self._lifecycle.status_field, *_STATUS_KEYS)
            value = next((value[key] for key in keys if isinstance(value.get(key), str)), None)

        return value if isinstance(value, str) and value in self._lifecycle.known else None

    def column(self) -> str | None:
        """
        Return the column whose groups are histories of the lifecycle; None if there is none.
        """
        recognised = [
            path for path, groups in self._groups.items() if self._recognises(path, groups)
        ]

        # The finest groups are those of one object each.
        return max(recognised, key=lambda path: len(self._groups[path]), default=None)

    def _recognises(self, path: str, groups: Mapping[str, list[_Row]]) -> bool:
        histories = [sorted(rows, key=lambda row: row[:2]) for rows in groups.values()]
        if all(len(rows) == 1 for rows in histories):
            return False
        if any(len({row[3] for row in rows}) > 1 for rows in histories):
            return False  # objects of different ages
        several = [rows for rows in histories if len({row[2] for row in rows}) > 1]
        begun = [rows for rows in histories if rows[0][2] in self._lifecycle.initial_statuses]
        moves = [
            (before[2], after[2])
            for rows in histories
            for before, after in pairwise(rows)
            if before[2] != after[2]
        ]
        legal = sum(move in self._next for move in moves)

        if 2 * len(several) < len(histories) or 2 * len(begun) < len(histories):
            return False

        # Rows of unrelated objects, as those of one worker, follow one another in any order.
        return bool(_NAMES_A_RUN.search(path)) or (legal > 1 and 2 * legal >= len(moves))


def _flat(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", each) for inner, each in value.items())
        else:
            yield key, value
