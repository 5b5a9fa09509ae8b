"""
Records that hold a run's id, its status, maybe a time, and no other fact: nearly all of most logs.

What such a record says is known from its keys but for three values. Anything unusual about these
is left to the interpreter, which says what is wrong with it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..histories._records import Observation
from ..lifecycle._table import Lifecycle
from ._values import LONGEST_ID, TIME_KEYS, BadRecordError

__all__ = ["Plain", "plain_of"]

_MOST_KEYS: Final = 24
# Not Observation(...), whose generated constructor takes as long as all of the rest.
_new_observation: Final = tuple.__new__


class Plain(NamedTuple):
    """
    How the records of one set of keys are read.
    """

    needed: tuple[str, str, str | None]
    """Keys of the run's id, of its status, and of the time; None where records have no time."""
    kept: tuple[str, ...]
    """The other keys than that of the status which are fields of a run."""
    read: Callable[[Any, Any, Any, int, dict[str, Any]], Observation | None]
    """
    Returns what a record says, from its values of *needed*, its line, and its values of *kept*.

    None where a value is in any way unusual.
    """


def plain_of(interpreter: Any, lifecycle: Lifecycle, keys: Sequence[str]) -> Plain | None:
    """
    Return what reads the records of *keys* for *interpreter*, of runs of *lifecycle*; None where they may say more.

    *interpreter* is an :class:`Interpreter`, whose module imports this one.
    """
    columns = interpreter.columns
    if interpreter.all_columns or columns.source is not None or len(keys) > _MOST_KEYS:
        return None
    told = [key for key in keys if key in interpreter.told]
    ids = (columns.run_id,) if columns.run_id else interpreter.id_keys
    times = (columns.at,) if columns.at else TIME_KEYS
    status = columns.status or interpreter.status_key
    run_id = [key for key in told if key in ids]
    at = [key for key in told if key in times]
    if len(run_id) != 1 or len(at) > 1 or sorted(told) != sorted((*run_id, status, *at)):
        return None
    needed = run_id[0], status, at[0] if at and not interpreter.untimed else None
    fields = interpreter.fields.among(keys)
    of_status = {
        str(known): {status: str(known)} if status in fields else {} for known in lifecycle.known
    }
    kept = tuple(key for key in fields if key != status)

    return Plain(needed, kept, _reading(of_status, needed[2], interpreter))


def _reading(
    of_status: Mapping[str, dict[str, Any]], at_key: str | None, interpreter: Any
) -> Callable[[Any, Any, Any, int, dict[str, Any]], Observation | None]:
    """
    Return what reads records whose fields, but for those that are kept, are *of_status*.
    """
    file, seconds = interpreter.file, interpreter.times.seconds

    def read(
        run_id: Any, status: Any, at: Any, line: int, kept: dict[str, Any]
    ) -> Observation | None:
        try:
            fields = of_status[status] | kept
            if type(run_id) is str and 0 < len(run_id) <= LONGEST_ID and run_id.isprintable():
                time = None if at_key is None else seconds(at, at_key, line)
                facts = (status, run_id, time, fields, None, None, file, line, None, None)
                return _new_observation(Observation, facts)
        except (KeyError, TypeError, BadRecordError):
            pass  # which the interpreter tells

        return None

    return read
