"""
Records of systems that keep the facts in places of their own, read by the shapes of a lifecycle.

The first shape that fits a record is taken. A record that no shape fits is about something else:
it is counted, and so is a document in which nothing fits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from .._text import printable
from ..histories._records import NOTHING, Observation
from ..lifecycle._shape import (
    EVERY,
    Condition,
    Shape,
    Step,
    condition_of,
    steps_of,
    template_of,
)
from ..lifecycle._table import Lifecycle
from ._envelopes import contents, own_event, parsed, unwrapped
from ._keys import refuse_doubled
from ._prose import what_it_is
from ._record import LINE, MOVE_EVENT, Columns, Interpreter, Passed, Read, tried
from ._times import Times
from ._values import BadRecordError, attempt_number, identifier, lagging, status_name

__all__ = ["Shaped", "needs_shape", "shapes_for", "spelt"]

_DEEPEST: Final = 8
"""Envelopes around a record that are opened."""
_MOST_SOUGHT: Final = 3
_LONGEST_CONDITION: Final = 60
_MISSING: Final = object()
_USUAL: Final = frozenset({"id", "run_id", "status", "state", "attempt"})
"""Keys that the records of many systems have."""


class _Path(NamedTuple):
    """
    A path, as it was written and as its steps.
    """

    text: str
    steps: tuple[Step, ...]


class _Form:
    """
    One shape with everything in it made ready.
    """

    def __init__(self, shape: Shape, lifecycle: Lifecycle) -> None:
        self.records = _paths(shape.records)
        self.about: list[Condition] = [*map(condition_of, shape.about)]
        self.conditions = (*shape.about, *shape.text)
        self.text = [*map(template_of, shape.text)]
        self.usual = not self.text and all(steps[-1] in _USUAL for steps, _ in self.about)
        """Whether records of many systems have this shape."""
        self.document = shape.document
        """Whether all records of a document are about one object."""
        self.id = [*map(_paths, shape.id or ((lifecycle.id_field,),))]
        self.status = _paths(shape.target or shape.status or (lifecycle.status_field,))
        self.source = _paths(shape.source)
        # Where other shapes name the attempt, one that does not has a reason: the number that its
        # records have is still that of the attempt before.
        named = any(each.attempt for each in lifecycle.shapes)
        own = (lifecycle.attempt_field,) if lifecycle.reopenings and not named else ()
        self.attempt, self.at = _paths(shape.attempt or own), _paths(shape.at)
        self.trigger = _paths(shape.trigger)
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
            value, _ = _look(record, _Path(template.path, steps_of(template.path)))
            for text in _texts(value, whole=template.path == LINE):
                parts = template.parts(text)
                if parts is not None:
                    return {**record, **parts}

        return None if self.text else record

    def fits(self, record: dict[str, Any], around: Sequence[Mapping[str, Any]], key: str) -> bool:
        """
        Return whether *record* has this shape: what it is about, an id and a status.
        """
        for steps, values in self.about:
            found, _ = _look(record, _Path("", steps))
            if found is _MISSING or (values is not None and _text(found) not in values):
                return False
        status, _ = _look(record, self.status[0])
        if status is _MISSING and (self.null is None or not self.conditions or self.moves):
            return False
        if self.moves and _is_nothing(status):
            return False

        inside = around or LINE in record

        return bool(key or (self.document and inside)) or self.id_in(record, around) is not None

    def weight(self, record: dict[str, Any], around: Sequence[Mapping[str, Any]]) -> int:
        """
        Return how many facts of *record* stand where few other systems have them.
        """
        under = any(
            _look(level, path)[0] is not _MISSING
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
                found = [_look(level, path) for path in paths]
                if not any(_is_nothing(value) for value, _ in found):
                    value = found[0][0] if len(found) == 1 else _joined_id(v for v, _ in found)
                    return value, found[0][1]

        return None

    def status_in(self, record: dict[str, Any], paths: Sequence[_Path], run_id: str) -> str | None:
        """
        Return the status under *paths*, in the lifecycle's spelling where that is known; None if null.

        Raises:
            BadRecordError: A part is missing before another one, or is not a text.
        """
        parts = [_part(self._told(_look(record, path)[0]), path.text, run_id) for path in paths]
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

    def _told(self, value: Any) -> Any:
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
        value = self._told(_look(record, self.status[0])[0])
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


def spelt(status: str | None, lifecycle: Lifecycle) -> str | None:
    """
    Return the other status as which a shape of *lifecycle* reads *status*; None if none does.

    Args:
        status: As a record has it; None or empty where it has none.
        lifecycle: Whose shapes are tried.
    """
    for shape in lifecycle.shapes:
        form = _Form(shape, lifecycle)
        read = form.spelt(status) if status else form.null
        if read not in {None, status}:
            return read

    return None


class Shaped(Interpreter):
    """
    Says what records mean by the shapes of a lifecycle.
    """

    def __init__(
        self,
        columns: Columns,
        lifecycle: Lifecycle,
        name: str | None,
        *,
        times: Times,
        passed: Passed,
        shapes: Sequence[Shape],
        skip: bool = True,
    ) -> None:
        """
        Read records by *shapes*.

        Args:
            columns: What the caller named; *shapes* have it already.
            lifecycle: Whose statuses and fields the records have.
            name: Of the input.
            times: Reads the times.
            passed: Counts what is about something else.
            shapes: In the order in which they are tried.
            skip: Whether a record without a shape is passed over; else it is refused.
        """
        super().__init__(columns, lifecycle, name, times=times, passed=passed)
        self._forms = [_Form(shape, lifecycle) for shape in shapes]
        self.skip = skip
        self.roots = frozenset(
            path.text.partition(".")[0].partition("[")[0]
            for form in self._forms
            for path in (*form.status, *form.source, *form.trigger)
        )
        """The keys of a record whose nulls mean something."""
        self.all_columns = True
        self.takes_lines = any(text.path == LINE for form in self._forms for text in form.text)
        self._wanted = {*self.stamps, *self.details, *self.identity, *(lifecycle.fields or ())}
        if columns.attempt is not None:
            self.unseen[columns.attempt] = "--attempt"
        if columns.source is not None:
            self.unseen |= dict.fromkeys(columns.source.split(","), "--from")
        self.sight: list[tuple[int, Mapping[str, Any]]] | None = None
        """How particular the places were in which facts stood, and the records; None where nobody asks."""

    def may_be_read(self, value: Any) -> bool:  # noqa: ARG002  which shapes it has is seen later
        """
        Return True: what a record is about, its shape says.
        """
        return True

    def _record(self, record: dict[str, Any], line: int) -> Sequence[Read]:
        found = self._within(record, line, (), _DEEPEST)
        if found is not None:
            return found
        reason = self._unfit(record)
        if not self.skip:
            raise BadRecordError("RS902", reason)
        self.pass_over(reason, line)

        return ()

    def _within(
        self,
        record: dict[str, Any],
        line: int,
        around: tuple[Mapping[str, Any], ...],
        deeper: int,
        key: str = "",
    ) -> Sequence[Read] | None:
        """
        Return what *record* says, or what it is an envelope of; None if nothing in it has a shape.

        Args:
            record: An object.
            line: Where it stands.
            around: The objects that it is in, the innermost first.
            deeper: How many more envelopes may be opened.
            key: Its key, where it is one of the objects by their ids.
        """
        if record.get("event") == MOVE_EVENT and "target" in record:
            return self._move(record, line)
        if deeper:
            for form in self._forms:
                found = self._listed(form, record, line, (record, *around), deeper - 1)
                if found is not None:
                    return found
        for form in self._forms:
            facts = form.taken_apart(record)
            if facts is not None and form.fits(facts, around, key):
                # An envelope may have an id and a status of its own.
                unsure = form.usual and not form.knows(facts)
                found = self._carried(record, line, around, deeper) if unsure else None
                return self._facts(form, facts, line, around, key) if found is None else found
        found = self._carried(record, line, around, deeper, lists=True)
        if found is not None:
            return found
        own = own_event(record)

        return None if own is None else self._move(own, line)

    def _carried(
        self,
        record: dict[str, Any],
        line: int,
        around: tuple[Mapping[str, Any], ...],
        deeper: int,
        *,
        lists: bool = False,
    ) -> Sequence[Read] | None:
        """
        Return what *record* is an envelope of, with *lists* also a list; None if nothing has a shape.
        """
        for inner in contents(record) if deeper else ():
            if not lists and not isinstance(inner, dict):
                continue
            found = self._each(
                [("", inner)] if isinstance(inner, dict) else [("", each) for each in inner],
                line, (record, *around), deeper - 1,
            )  # fmt: skip
            if found is not None:
                return found

        return None

    def _listed(
        self,
        form: _Form,
        record: dict[str, Any],
        line: int,
        around: tuple[Mapping[str, Any], ...],
        deeper: int,
    ) -> Sequence[Read] | None:
        for path in form.records:
            wild = path.steps[-1] == EVERY
            steps = path.steps[:-1] if wild else path.steps
            value = _look(record, _Path("" if wild else path.text, steps))[0] if steps else record
            value = parsed(value)
            if wild and isinstance(value, dict):
                found = self._each([*value.items()], line, around, deeper)
            elif isinstance(value, list):
                found = self._each([("", each) for each in value], line, around, deeper)
            else:
                continue
            if found is not None:
                return found

        return None

    def _each(
        self,
        inner: Sequence[tuple[str, Any]],
        line: int,
        around: tuple[Mapping[str, Any], ...],
        deeper: int,
    ) -> Sequence[Read] | None:
        """
        Return what the records *inner* say, by their keys; None if none of them has a shape.
        """
        reads: list[Read] = []
        unfit: list[tuple[dict[str, Any], int]] = []
        records = [(key, record) for key, record in inner if isinstance(record, dict)]
        for key, record in records:
            own = self.lines.get(id(record), line)
            try:
                found = self._within(record, own, around, deeper, key)
            except BadRecordError as bad:
                found = (self.refusal(bad, own),)
            if found is None:
                unfit.append((record, own))
            else:
                reads.extend(found)
        if len(unfit) == len(records):
            return None
        for record, own in unfit:
            self.pass_over(self._unfit(record), own)

        return reads

    def _facts(
        self,
        form: _Form,
        record: dict[str, Any],
        line: int,
        around: Sequence[Mapping[str, Any]],
        key: str,
    ) -> Sequence[Read]:
        """
        Return the observation that *record* is by *form*.
        """
        place = form.id_in(record, around)
        value, holder = place or (key or self._document(record), record)
        if self.sight is not None:
            self.sight.append((form.weight(record, around), record))
        run_id = identifier(value)
        status = form.status_in(record, form.status, run_id)
        status = form.null if status is None else status
        if status is None:
            raise BadRecordError("RS902", f"{form.status[0].text} has no value", run_id)
        notes: list[BadRecordError] = []
        at, at_key = self._when(form, record, notes)
        source = form.status_in(record, form.source, run_id) if form.source else None
        for path in form.source if self.unseen else ():
            if _look(record, path)[0] is not _MISSING:
                self.unseen.pop(path.text, None)
        trigger, _ = self._first(form.trigger, record)
        attempt, attempt_key = self._first(form.attempt, record)
        seen = Observation(
            status_name(status, form.status[0].text, run_id),
            run_id,
            at,
            NOTHING if form.moves else self._fields_in(form, record, holder, at_key, notes),
            source,
            None,
            self.file,
            line,
            trigger if isinstance(trigger, str) else None,
            None if attempt is None else tried(form.number, attempt, attempt_key, notes),
        )

        return self._with_notes(notes, seen) if notes else (seen,)

    def _document(self, record: dict[str, Any]) -> str:
        """
        Return what the object is called that all records of the document are about.
        """
        name = self.file or "document"

        return name if LINE in record else f"{name}:{self._line}"

    def _when(
        self, form: _Form, record: dict[str, Any], notes: list[BadRecordError]
    ) -> tuple[float | None, str]:
        if self.untimed:
            return None, ""
        value, key = self._first(form.at, record)
        if value is None:
            return self._usual_time(record, notes), ""

        return self._seconds(value, key, notes), key

    def _first(self, paths: Sequence[_Path], record: dict[str, Any]) -> tuple[Any, str]:
        """
        Return the first of *paths* that has a value in *record*, the value first; None if none has.
        """
        for path in paths:
            value, _ = _look(record, path)
            if value is not _MISSING and self.unseen:
                self.unseen.pop(path.text, None)
            if not _is_nothing(value):
                return value, path.text

        return None, ""

    def _fields_in(
        self,
        form: _Form,
        record: dict[str, Any],
        holder: dict[str, Any],
        at_key: str,
        notes: list[BadRecordError],
    ) -> Mapping[str, Any]:
        """
        Return the fields beside the status, and those that rules are about from beside the id.
        """
        beside = _look(record, form.status[0])[1]
        fields = {**(beside if isinstance(beside, dict) else holder)}
        for key in self._wanted:
            if key not in fields and key in holder:
                fields[key] = holder[key]
            elif key not in fields and "." in key:
                value, _ = _look(record, _Path(key, steps_of(key)))
                fields |= {} if value is _MISSING else {key: value}
        # When a row was made, where that is the time of its status, is not when the run was.
        at_name = at_key.rpartition(".")[2]
        if at_name in self._created:
            fields.pop(at_name, None)
        for key in self._wanted:
            if fields.get(key) == "":
                del fields[key]

        return self._snapshot_fields(fields, notes)

    def _unfit(self, record: dict[str, Any]) -> str:
        """
        Return what was looked for in *record*.
        """
        if record.keys() == {LINE}:
            return what_it_is(str(record[LINE]).encode("utf-8", "replace"))
        wanted = dict.fromkeys(map(_sought, self._forms[:_MOST_SOUGHT]))
        keys = ", ".join(printable(str(key), 40) for key in [*record][:12])
        more = ", ..." if len(self._forms) > _MOST_SOUGHT else ""

        return (
            f"no record has a shape of '{printable(self._lifecycle.name, 60)}' "
            f"(keys: {keys or 'none'}; --run-id and --status name others): looked for "
            f"{'; or '.join(wanted)}{more}"
        )


def _sought(form: _Form) -> str:
    """
    Return what a record of *form* has.
    """
    ids = " or ".join(dict.fromkeys("/".join(path.text for path in paths) for paths in form.id))
    conditions = ", ".join(printable(each, _LONGEST_CONDITION) for each in form.conditions)
    about = f" where {conditions}" if conditions else ""

    return f"{ids} and {'/'.join(path.text for path in form.status)}{about}"


def shapes_for(columns: Columns, lifecycle: Lifecycle) -> tuple[Shape, ...]:
    """
    Return the shapes that records are read by: the lifecycle's, with what the caller named.

    Empty where records have the usual keys, or the columns are such that no shape is needed.

    Args:
        columns: What the caller named. It goes before what a shape says, and who names the id
            or the status says what records are about.
        lifecycle: Whose shapes are meant.

    Raises:
        ValueError: A column is a path that cannot be read.
    """
    own = lifecycle.shapes
    if not own and not needs_shape(columns):
        return ()
    usual = Columns()
    if columns._replace(at=None) == usual and (own and columns == usual):
        return own

    return tuple(
        dict.fromkeys(_with_columns(shape, columns, lifecycle) for shape in own or (Shape(),))
    )


def needs_shape(columns: Columns) -> bool:
    """
    Return whether *columns* say more than a column each of id, status and time.
    """
    named = (columns.run_id, columns.status, columns.at, columns.attempt)

    return columns.source is not None or any(
        mark in name for name in named if name is not None for mark in ",["
    )


def _with_columns(shape: Shape, columns: Columns, lifecycle: Lifecycle) -> Shape:
    about = shape.about if columns.run_id is columns.status is columns.source is None else ()
    named: dict[str, Any] = {"about": about}
    if columns.run_id is not None:
        several = columns.run_id.split(",")
        named["id"] = [columns.run_id, *([several] if len(several) > 1 else [])]
    elif not shape.id and not lifecycle.shapes:
        named["id"] = [lifecycle.id_field, "run_id", "id"]
    if columns.status is not None:
        named |= {"status": columns.status.split(","), "target": (), "source": ()}
    elif columns.source is not None and not (shape.status or shape.target):
        named["target"] = "target"
    if columns.source is not None:
        named["source"] = columns.source.split(",")
    if columns.at is not None:
        named["at"] = columns.at
    if columns.attempt is not None:
        named["attempt"] = columns.attempt
    elif columns.run_id is not None and columns.status is not None and lifecycle.reopenings:
        # No shape is recognised then: the usual key is read, as in tables of databases.
        named["attempt"] = dict.fromkeys((*shape.attempt, lifecycle.attempt_field))

    return Shape(
        **{
            **{name: getattr(shape, name) for name in Shape.__dataclass_fields__},
            **named,
        }
    )


def _paths(paths: Sequence[str]) -> list[_Path]:
    return [_Path(path, _steps(path)) for path in paths]


def _steps(path: str) -> tuple[Step, ...]:
    """
    Return the steps of *path*; a name that cannot be parsed as one, such as ``Time [s]``, is one step.
    """
    try:
        return steps_of(path)
    except ValueError:
        return (path,)


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


def _found_in(record: Mapping[str, Any], paths: Sequence[_Path]) -> int:
    """
    Count the *paths* that *record* has, without those that many systems share.
    """
    own = (path for path in paths if path.text not in _USUAL)

    return sum(_look(record, path)[0] is not _MISSING for path in own)


def _look(level: Any, path: _Path) -> tuple[Any, Any]:
    """
    Return what stands at *path* in *level*, and the object that its last key is in.

    Raises:
        BadRecordError: A key on the way is given twice.
    """
    if path.text in level:
        refuse_doubled(level, {path.text})
        return level[path.text], level
    holder = None
    for place, step in enumerate(path.steps):
        if type(level) is str:
            level = parsed(level)
        if type(step) is str:
            if not isinstance(level, dict):
                return _MISSING, holder
            if step not in level:
                rest = ".".join(map(str, path.steps[place:]))
                return level.get(rest, _MISSING), level if rest in level else holder
            refuse_doubled(level, {step})
            holder, level = level, level[step]
        elif not isinstance(level, list):
            return _MISSING, holder
        else:
            level = _selected(level, step)

    return level, holder


def _is_nothing(value: Any) -> bool:
    """
    Return whether *value* is what a null is, in JSON and in tables.
    """
    return value is None or value is _MISSING or value == ""


def _selected(level: list[Any], step: Step) -> Any:
    if isinstance(step, int):
        return level[step] if -len(level) <= step < len(level) else _MISSING
    if isinstance(step, str):
        return _MISSING
    key, value = step
    of_objects = (each for each in level if isinstance(each, dict) and key in each)

    return next((each for each in of_objects if _text(each[key]) == value), _MISSING)


def _text(value: Any) -> str:
    """
    Return *value* as a condition spells it: ``true``, ``null``, ``3``.
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()

    return str(value) if isinstance(value, int | float) else ""


def _part(value: Any, key: str, run_id: str) -> str | None:
    """
    Return one part of a status.

    Raises:
        BadRecordError: It holds what joins the parts, or is not a text.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if _is_nothing(value):
        return None
    if isinstance(value, bool | int):
        return _text(value)

    return status_name(value, key, run_id)


def _joined_id(values: Iterator[Any]) -> str:
    """
    Return one id of several, in which a part cannot be taken for two.
    """
    parts = (identifier(value) for value in values)

    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)
