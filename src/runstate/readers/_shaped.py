"""
Records of systems that keep the facts in places of their own, read by the shapes of a lifecycle.

The first shape that fits a record is taken. A record that no shape fits is about something else:
it is counted, and so is a document in which nothing fits.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .._text import printable
from ..histories._records import NOTHING, Observation
from ..lifecycle._shape import EVERY, Shape, steps_of
from ..lifecycle._table import Lifecycle
from ._envelopes import contents, own_event, parsed
from ._prepared_shape import PreparedShape
from ._prose import what_it_is
from ._record import LINE, MOVE_EVENT, Columns, Interpreter, Passed, Read
from ._shape_paths import MISSING, Path, is_nothing, look_up
from ._times import Times
from ._values import BadRecordError, identifier, status_name, tried

__all__ = ["Shaped"]

_DEEPEST: Final = 8
"""Envelopes around a record that are opened."""
_MOST_SOUGHT: Final = 3
"""Shapes that are described where no record has one."""


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
        kind = None if self.named else lifecycle.kind
        self._shapes = [PreparedShape(shape, lifecycle, kind=kind) for shape in shapes]
        self.skip = skip
        self.roots = frozenset(
            path.text.partition(".")[0].partition("[")[0]
            for shape in self._shapes
            for path in (*shape.status, *shape.source, *shape.trigger)
        )
        """The keys of a record whose nulls mean something."""
        self.all_columns = True
        self.takes_lines = any(text.path == LINE for shape in self._shapes for text in shape.text)
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
            for shape in self._shapes:
                found = self._listed(shape, record, line, (record, *around), deeper - 1)
                if found is not None:
                    return found
        for shape in self._shapes:
            facts = shape.taken_apart(record)
            if facts is not None and shape.fits(facts, around, key):
                # An envelope may have an id and a status of its own.
                unsure = shape.usual and not shape.knows(facts)
                found = self._carried(record, line, around, deeper) if unsure else None
                return self._facts(shape, facts, line, around, key) if found is None else found
        found = self._carried(record, line, around, deeper, lists=True)
        if found is not None:
            return found
        own = own_event(record)

        return self._webhook(record, line) if own is None else self._move(own, line)

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
        shape: PreparedShape,
        record: dict[str, Any],
        line: int,
        around: tuple[Mapping[str, Any], ...],
        deeper: int,
    ) -> Sequence[Read] | None:
        for path in shape.records:
            wild = path.steps[-1] == EVERY
            steps = path.steps[:-1] if wild else path.steps
            value = look_up(record, Path("" if wild else path.text, steps))[0] if steps else record
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
        shape: PreparedShape,
        record: dict[str, Any],
        line: int,
        around: Sequence[Mapping[str, Any]],
        key: str,
    ) -> Sequence[Read]:
        """
        Return the observation that *record* is by *shape*.
        """
        place = shape.id_in(record, around)
        value, holder = place or (key or self._document(record), record)
        if self.sight is not None:
            self.sight.append((shape.weight(record, around), record))
        run_id = identifier(value)
        status = shape.status_in(record, shape.status, run_id)
        status = shape.null if status is None else status
        if status is None:
            raise BadRecordError("RS902", f"{shape.status[0].text} has no value", run_id)
        notes: list[BadRecordError] = []
        at, at_key = self._when(shape, record, notes)
        source = shape.status_in(record, shape.source, run_id) if shape.source else None
        for path in shape.source if self.unseen else ():
            if look_up(record, path)[0] is not MISSING:
                self.unseen.pop(path.text, None)
        trigger, _ = self._first(shape.trigger, record)
        attempt, attempt_key = self._first(shape.attempt, record)
        seen = Observation(
            status_name(status, shape.status[0].text, run_id),
            run_id,
            at,
            NOTHING if shape.moves else self._fields_in(shape, record, holder, at_key, notes),
            source,
            None,
            self.file,
            line,
            trigger if isinstance(trigger, str) else None,
            None if attempt is None else tried(shape.number, attempt, attempt_key, notes),
        )

        return self._with_notes(notes, seen) if notes else (seen,)

    def _document(self, record: dict[str, Any]) -> str:
        """
        Return what the object is called that all records of the document are about.
        """
        name = self.file or "document"

        return name if LINE in record else f"{name}:{self._line}"

    def _when(
        self, shape: PreparedShape, record: dict[str, Any], notes: list[BadRecordError]
    ) -> tuple[float | None, str]:
        if self.untimed:
            return None, ""
        value, key = self._first(shape.at, record)
        if value is None:
            return self._usual_time(record, notes), ""

        return self._seconds(value, key, notes), key

    def _first(self, paths: Sequence[Path], record: dict[str, Any]) -> tuple[Any, str]:
        """
        Return the first of *paths* that has a value in *record*, the value first; None if none has.
        """
        for path in paths:
            value, _ = look_up(record, path)
            if value is not MISSING and self.unseen:
                self.unseen.pop(path.text, None)
            if not is_nothing(value):
                return value, path.text

        return None, ""

    def _fields_in(
        self,
        shape: PreparedShape,
        record: dict[str, Any],
        holder: dict[str, Any],
        at_key: str,
        notes: list[BadRecordError],
    ) -> Mapping[str, Any]:
        """
        Return the fields beside the status, and those that rules are about from beside the id.
        """
        beside = look_up(record, shape.status[0])[1]
        fields = {**(beside if isinstance(beside, dict) else holder)}
        for key in self._wanted:
            if key not in fields and key in holder:
                fields[key] = holder[key]
            elif key not in fields and "." in key:
                value, _ = look_up(record, Path(key, steps_of(key)))
                fields |= {} if value is MISSING else {key: value}
        # When a row was made, where that is the time of its status, is not when the run was.
        at_name = at_key.rpartition(".")[2]
        if at_name in self._created:
            fields.pop(at_name, None)
        for key in self._wanted:
            if fields.get(key) == "":
                del fields[key]

        return self.fields.read(fields, self._line, notes)

    def _unfit(self, record: dict[str, Any]) -> str:
        """
        Return what was looked for in *record*.
        """
        if record.keys() == {LINE}:
            return what_it_is(str(record[LINE]).encode("utf-8", "replace"))
        wanted = dict.fromkeys(shape.sought() for shape in self._shapes[:_MOST_SOUGHT])
        keys = ", ".join(printable(str(key), 40) for key in [*record][:12])
        more = ", ..." if len(self._shapes) > _MOST_SOUGHT else ""

        return (
            f"no record has a shape of '{printable(self._lifecycle.name, 60)}' "
            f"(keys: {keys or 'none'}; --run-id and --status name others): looked for "
            f"{'; or '.join(wanted)}{more}"
        )
