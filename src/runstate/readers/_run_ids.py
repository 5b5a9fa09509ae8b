"""
Where the id of a run stands in a record.
"""

from collections.abc import Sequence
from typing import Any

from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._keys import found, missing
from ._values import BadRecordError, identifier

__all__ = ["RunIds", "no_value"]


class RunIds:
    """
    Finds the id of the run that a record is about.

    It is under the key that the caller named, in a run object, or under a usual key.
    """

    def __init__(self, lifecycle: Lifecycle, named: str | None) -> None:
        """
        Prepare the search.

        Args:
            lifecycle: Whose runs the records are about.
            named: The key that the caller named; None for the usual ones.
        """
        self.usual: tuple[str, ...] = _usual_ids(lifecycle)
        """The keys that may hold the id in a record other than a run object, in the order of the search."""
        self._named = named
        self._own = lifecycle.id_field
        self._kind = lifecycle.kind

    def find(
        self, record: dict[str, Any], holder: dict[str, Any]
    ) -> tuple[str, dict[str, Any] | None]:
        """
        Return the run's id, and the object around *holder* that it was found in; None if in *holder*.

        Args:
            record: The record.
            holder: The object with the status: *record*, or an object in it.

        Raises:
            BadRecordError: There is none, or it cannot be one.
        """
        keys = self.usual
        around = None
        if self._named is not None:
            place = found(record, self._named)
            value, keys = place[0][place[1]] if place else None, (self._named,)
            around = record if place and place[0] is record is not holder else None
        elif self._kind is not None and holder.get("object") == self._kind:
            value, keys = holder.get(self._own), (self._own,)
        else:
            # An object that a key of the record names has an id of its own.
            value = _first(keys if holder is record else (self._own, *keys), holder)
            if value is None and holder is not record:
                value, around = _first(keys, record), record
        if value is None:
            there = next((key for key in keys if key in holder), None)
            reason = no_value(there) if there else missing(keys, record, "keys", "--run-id")
            raise BadRecordError("RS902", reason)

        return identifier(value), around

    def differs(self, holder: dict[str, Any], run_id: str) -> bool:
        """
        Return whether *holder* has an id of its own beside the run's, as a row of a table of events has.
        """
        own = holder.get(self._own)

        return own is not None and own != run_id and type(own) in {str, int} and str(own) != run_id


def no_value(key: str) -> str:
    """
    Return the sentence that *key* is there and null.
    """
    return f"{key} has no value"


def _usual_ids(lifecycle: Lifecycle) -> tuple[str, ...]:
    """
    Return the keys that may hold the id of a run of *lifecycle*, the likeliest first.

    The lifecycle's own field comes first. Under OpenAI's lifecycle, ``run_id`` comes first: a
    record other than a run object is a line about a run. A field in the lifecycle's ``identity``
    is never the id: the ``run_id`` of a job or of a task is the id of its workflow.
    """
    own = lifecycle.id_field
    keys = ("run_id", "id") if lifecycle.kind == RUN.kind and own == "id" else (own, "run_id", "id")

    return tuple(key for key in dict.fromkeys(keys) if key == own or key not in lifecycle.identity)


def _first(keys: Sequence[str], record: dict[str, Any]) -> Any:
    for key in keys:
        value = record.get(key)
        if value is not None:
            return value

    return None
