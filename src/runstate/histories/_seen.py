"""
What a monitor may be given, and the observation that it stands for.
"""

from collections.abc import Mapping
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from ..lifecycle._rows import name_of
from ..lifecycle._table import Lifecycle
from ._records import NOTHING, Observation

__all__ = ["Seen", "numbered", "observation_of", "sound"]

Seen = str | Mapping[str, Any] | BaseModel | Observation
"""A status, a snapshot as a mapping or a model, or an :class:`Observation`."""

_WORDS: Final = frozenset({str, type(None)})
_PLAIN_FIELDS: Final = frozenset({dict, MappingProxyType})
_KINDS: Final[Mapping[str, tuple[type, str]]] = {
    "at": (Real, "Unix seconds"),
    "fields": (Mapping, "a mapping"),
    "source": (str, "a status"),
    "seq": (Integral, "a whole number"),
    "trigger": (str, "a name"),
    "attempt": (Integral, "a whole number"),
}
"""What the parts of an observation must be, where they are not None."""


_new_observation: Final = tuple.__new__


def numbered(seen: Observation, number: int) -> Observation:
    """
    Return *seen* with its place in the history as its line, where it names neither file nor line.
    """
    if seen.file is not None or seen.line is not None:
        return seen

    # Not _replace, which takes three times as long.
    return _new_observation(Observation, (*seen[:7], number, *seen[8:]))


def observation_of(seen: Seen, lifecycle: Lifecycle) -> Observation:
    """
    Return *seen* as an observation of a run of *lifecycle*.

    Raises:
        TypeError: It is neither a status, a snapshot nor an Observation, or an
            Observation's part is of the wrong type.
    """
    if isinstance(seen, Observation):
        return sound(seen)
    if isinstance(seen, str):
        return Observation(seen if type(seen) is str else str(name_of(seen)))
    if isinstance(seen, BaseModel):
        fields: Mapping[str, Any] = {name: getattr(seen, name) for name in seen.model_fields_set}
    elif isinstance(seen, Mapping):
        fields = seen
    else:
        raise TypeError(
            f"a status, a snapshot or an Observation is expected, not {type(seen).__name__}"
        )
    run_id = fields.get(lifecycle.id_field)

    return Observation(
        # Judged, not trusted, by observe().
        name_of(fields.get(lifecycle.status_field)),
        None if run_id is None else str(run_id),
        fields=fields,
    )


def sound(seen: Observation) -> Observation:
    """
    Return *seen*, whose parts are of the types that they are said to be; no fields are none.

    Raises:
        TypeError: One is not. Its status is judged like that of any other record.
    """
    parts: tuple[Any, ...] = seen
    status, _, at, fields, source, seq, _, _, trigger, attempt = parts
    if type(status) is not str or type(source) not in _WORDS:
        seen = _in_words(seen)
        source = seen.source
    # What nearly all are, told apart without asking an abstract class.
    if not (
        type(fields) in _PLAIN_FIELDS
        and (seq is None or type(seq) is int)
        and (at is None or type(at) is float or type(at) is int)
        and (source is None or isinstance(source, str))
        and (trigger is None or isinstance(trigger, str))
        and (attempt is None or type(attempt) is int)
    ):
        _refuse_misfits(seen)

    return seen if fields is not None else seen._replace(fields=NOTHING)


def _in_words(seen: Observation) -> Observation:
    """
    Return *seen* with the names of its statuses; itself where it has them, since it is known by its identity.
    """
    status, source = name_of(seen.status), name_of(seen.source)
    if status is seen.status and source is seen.source:
        return seen

    return seen._replace(status=status, source=source)


def _refuse_misfits(seen: Observation) -> None:
    for name, (kind, said) in _KINDS.items():
        value = getattr(seen, name)
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"Observation.{name} must be {said}, not {type(value).__name__}")
