"""
One shape: whether a record has it, and what it says then of the run and its status.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from .._text import printable
from ..lifecycle._shape import EVERY, Condition, Shape, condition_of, steps_of, template_of
from ..lifecycle._table import Lifecycle
from ._envelopes import unwrapped
from ._record import LINE, kind_of
from ._shape_paths import MISSING, Path, is_nothing, look_up, paths_of, text_of
from ._values import BadRecordError, attempt_number, identifier, lagging, status_name

__all__ = ["PreparedShape", "spelt"]

_LONGEST_CONDITION: Final = 60
_USUAL: Final = frozenset({"id", "run_id", "status", "state", "attempt"})
"""Keys that the records of many systems have."""


class PreparedShape:
    """
    One shape with everything in it made ready.

    A record that it does not fit is about something else, or has another shape.
    """

    def __init__(self, shape: Shape, lifecycle: Lifecycle, *, kind: str | None = None) -> None:
        """
        Make *shape* ready.

        Args:
            shape: A shape of *lifecycle*, or one that the caller's columns were put into.
            lifecycle: Whose statuses the records have.
            kind: What ``object`` must be in a record that has one, unless *shape* says it itself.
        """
        self.records = paths_of(shape.records)
        self.about: list[Condition] = [*map(condition_of, shape.about)]
        self._kind = None if any(steps == ("object",) for steps, _ in self.about) else kind
        self.conditions = (*shape.about, *shape.text)
        self.text = [*map(template_of, shape.text)]
        self.usual = not self.text and all(steps[-1] in _USUAL for steps, _ in self.about)
        """Whether records of many systems have this shape."""
        self.document = shape.document
        """Whether all records of a document are about one object."""
        self.id = [*map(paths_of, shape.id or ((lifecycle.id_field,),))]
        self.status = paths_of(shape.target or shape.status or (lifecycle.status_field,))
        self.source = paths_of(shape.source)
        # Where other shapes name the attempt, one that does not has a reason: the number that its
        # records have is still that of the attempt before.
        named = any(each.attempt for each in lifecycle.shapes)
        own = (lifecycle.attempt_field,) if lifecycle.reopenings and not named else ()
        self.attempt, self.at = paths_of(shape.attempt or own), paths_of(shape.at)
        self.trigger = paths_of(shape.trigger)
        self.moves = bool(shape.source or shape.target)
        """Whether its records are moves."""
        self.number: Callable[..., int] = lagging if shape.attempt_lags else attempt_number
        self.null = None if shape.null is None else str(shape.null)
        self._fold = str.lower if shape.ignore_case else str
        # Members of an Enum are texts of another type, which an observation does not have.
        words = {self._fold(status): str(status) for status in lifecycle.statuses}
        words |= {self._fold(word): str(status) for word, status in shape.words}
        self._words = words
        self._beginnings = [
            (word[:-1], status) for word, status in words.items() if word.endswith("*")
        ]

    def taken_apart(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """
        Return *record* with the parts of its text, if it is one that is taken apart; None if it reads otherwise.
        """
        for template in self.text:
            value, _ = look_up(record, Path(template.path, steps_of(template.path)))
            for text in _texts(value, whole=template.path == LINE):
                parts = template.parts(text)
                if parts is not None:
                    return {**record, **parts}

        return None if self.text else record

    def fits(self, record: dict[str, Any], around: Sequence[Mapping[str, Any]], key: str) -> bool:
        """
        Return whether *record* has this shape: what it is about, an id and a status.
        """
        kind = kind_of(record)
        if kind is not None and self._kind is not None and kind != self._kind:
            return False
        for steps, values in self.about:
            found, _ = look_up(record, Path("", steps))
            if found is MISSING or (values is not None and text_of(found) not in values):
                return False
        status, _ = look_up(record, self.status[0])
        if status is MISSING and (self.null is None or not self.conditions or self.moves):
            return False
        if self.moves and is_nothing(status):
            return False

        inside = around or LINE in record

        return bool(key or (self.document and inside)) or self.id_in(record, around) is not None

    def weight(self, record: dict[str, Any], around: Sequence[Mapping[str, Any]]) -> int:
        """
        Return how many facts of *record* stand where few other systems have them.
        """
        under = any(
            look_up(level, path)[0] is not MISSING
            for level in around
            for path in self.records
            if path.steps[0] != EVERY
        )
        about = [2] * len(self.text)
        about += [2 - (values is None) for steps, values in self.about if steps[-1] not in _USUAL]
        first = (
            *self.status[:1],
            *self.source[:1],
            *(path for paths in self.id for path in paths[:1]),
        )
        further = (*self.status[1:], *self.attempt)

        return sum(about) + 2 * under + _found_in(record, first) + 2 * _found_in(record, further)

    def id_in(
        self, record: dict[str, Any], around: Sequence[Mapping[str, Any]]
    ) -> tuple[Any, dict[str, Any]] | None:
        """
        Return the id in *record*, or in what is *around* it, and the object that it stands in.
        """
        for level in (record, *around):
            for paths in self.id:
                found = [look_up(level, path) for path in paths]
                if not any(is_nothing(value) for value, _ in found):
                    value = found[0][0] if len(found) == 1 else _joined_id(v for v, _ in found)
                    return value, found[0][1]

        return None

    def status_in(self, record: dict[str, Any], paths: Sequence[Path], run_id: str) -> str | None:
        """
        Return the status under *paths*, in the lifecycle's spelling where that is known; None if null.

        Raises:
            BadRecordError: A part is missing before another one, or is not a text.
        """
        parts = [
            _part(self._status_among(look_up(record, path)[0]), path.text, run_id) for path in paths
        ]
        while parts and parts[-1] is None:
            parts.pop()
        if not parts:
            return None
        if None in parts:
            empty = paths[parts.index(None)].text
            raise BadRecordError(
                "RS902", f"{empty} has no value, and {paths[len(parts) - 1].text} has one", run_id
            )

        if len(paths) > 1 and any("/" in part for part in parts if part):
            raise BadRecordError("RS901", f"a part of the status holds /: {parts}", run_id)

        return self.spelt("/".join(map(str, parts)))

    def _status_among(self, value: Any) -> Any:
        """
        Return which of several words in a list is the status, or *value* if it is something else.

        Flags follow a base state, as in what Slurm prints. The last one that is known is reported.
        """
        if not isinstance(value, list) or len(value) < 2 or {*map(type, value)} != {str}:
            return value

        return next((word for word in reversed(value) if self._fold(word) in self._words), value[0])

    def knows(self, record: dict[str, Any]) -> bool:
        """
        Return whether the status of *record*, or the first of its parts, is one of the lifecycle.
        """
        value = self._status_among(look_up(record, self.status[0])[0])
        if not isinstance(value, str):
            return True
        folded = self.spelt(value)
        parts = len(self.status) > 1

        return any(
            folded == known or (parts and known.startswith(f"{self._fold(value)}/"))
            for known in self._words.values()
        )

    def spelt(self, status: str) -> str:
        """
        Return *status* in the spelling of the lifecycle, where that is known.
        """
        folded = self._fold(status)
        known = self._words.get(folded)
        if known is not None:
            return known

        return next((s for begins, s in self._beginnings if folded.startswith(begins)), status)

    def sought(self) -> str:
        """
        Return what a record of this shape has, in words.
        """
        ids = " or ".join(dict.fromkeys("/".join(path.text for path in paths) for paths in self.id))
        kind = () if self._kind is None else (f"object, if given, = {self._kind}",)
        conditions = ", ".join(
            printable(each, _LONGEST_CONDITION) for each in (*self.conditions, *kind)
        )
        about = f" where {conditions}" if conditions else ""

        return f"{ids} and {'/'.join(path.text for path in self.status)}{about}"


def _texts(value: Any, *, whole: bool) -> Sequence[str]:
    """
    Return *value* if it is a text; a *whole* line also without what a collector of logs put before it.
    """
    if not isinstance(value, str):
        return ()
    rest = unwrapped(value.encode("utf-8", "replace")) if whole else None
    if rest is None:
        return (value,)
    inner = rest.decode("utf-8", "replace")
    before = value.removesuffix(inner).split()
    # The time that stands last before a line without one may be its own.
    if before and before[-1].startswith("20") and not inner.startswith(("[", "20")):
        return (f"{before[-1]} {inner}", inner, value)

    return (inner, value)


def _found_in(record: Mapping[str, Any], paths: Sequence[Path]) -> int:
    """
    Count the *paths* that *record* has, without those that many systems share.
    """
    own = (path for path in paths if path.text not in _USUAL)

    return sum(look_up(record, path)[0] is not MISSING for path in own)


def _part(value: Any, key: str, run_id: str) -> str | None:
    """
    Return one part of a status.

    Raises:
        BadRecordError: It holds what joins the parts, or is not a text.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if is_nothing(value):
        return None
    if isinstance(value, bool | int):
        return text_of(value)

    return status_name(value, key, run_id)


def _joined_id(values: Iterator[Any]) -> str:
    """
    Return one id of several, in which a part cannot be taken for two.
    """
    parts = (identifier(value) for value in values)

    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def spelt(status: str | None, lifecycle: Lifecycle) -> str | None:
    """
    Return the other status as which a shape of *lifecycle* reads *status*; None if none does.

    Args:
        status: As a record has it; None or empty where it has none.
        lifecycle: Whose shapes are tried.
    """
    for shape in lifecycle.shapes:
        prepared = PreparedShape(shape, lifecycle)
        read = prepared.spelt(status) if status else prepared.null
        if read not in {None, status}:
            return read

    return None
