"""
The fields of a run that a snapshot has: which keys are fields, and their stamps as Unix seconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..lifecycle._table import Lifecycle
from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._times import Times
from ._values import BadRecordError

__all__ = ["SnapshotFields"]


class SnapshotFields:
    """
    Reads the fields of the runs of one lifecycle.
    """

    def __init__(self, lifecycle: Lifecycle, at: str | None, times: Times) -> None:
        """
        Prepare the reading.

        Args:
            lifecycle: Whose fields a run has.
            at: The column that the caller named as the time of the observation. It is then not
                read as a stamp. None if the caller named no column.
            times: Reads the stamps.
        """
        self.stamps: tuple[str, ...] = tuple(name for name in lifecycle.stamp_fields if name != at)
        """The fields that hold a time."""
        self._known = lifecycle.fields
        self._at = at if at in lifecycle.stamp_fields else None
        self._from_around = (*self.stamps, *lifecycle.detail_fields, *lifecycle.identity)
        self._times = times

    def among(self, keys: Sequence[str]) -> Sequence[str]:
        """
        Return which of the *keys* of a record are fields of a run; of a snapshot, one is at least.
        """
        fields = [key for key in keys if key != self._at]
        if self._known is None:
            return fields

        return [key for key in fields if key in self._known] or fields[:1]

    def with_around(self, holder: dict[str, Any], around: dict[str, Any] | None) -> dict[str, Any]:
        """
        Return *holder* with the fields that the object *around* it has beside the run's id.

        Args:
            holder: The object with the status.
            around: The object around it, by the wire's keys; None if it says nothing of the run.
        """
        if around is None:
            return holder
        names = self._from_around
        more = {key: around[key] for key in names if key in around and key not in holder}

        return {**holder, **more} if more else holder

    def read(
        self, holder: dict[str, Any], line: int, notes: list[BadRecordError]
    ) -> Mapping[str, Any]:
        """
        Return the fields of a run that *holder* has, its stamps being Unix seconds or null.

        Args:
            holder: The object with the status.
            line: Where it stands.
            notes: Is given what is wrong with a stamp, which is left out then.
        """
        fields = holder
        if self._known is not None or self._at is not None:
            # A record that is a snapshot has fields, also where none of them is known.
            fields = {key: holder[key] for key in self.among([*holder])}
        for key in self.stamps:
            value = fields.get(key)
            if value == "":
                # Some clients print a time that is not known so.
                fields = {name: each for name, each in fields.items() if name != key}
            elif value is not None and not (
                type(value) is int and FIRST_SECOND <= value <= LAST_SECOND
            ):
                fields = dict(fields)
                try:
                    seconds = self._times.seconds(value, key, line)
                    fields[key] = int(seconds) if seconds.is_integer() else seconds
                except BadRecordError as bad:
                    notes.append(bad)
                    del fields[key]

        return fields
