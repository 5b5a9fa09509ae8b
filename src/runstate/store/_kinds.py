"""
What the objects of a store are in Python: how one is made, judged, and read from its row.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import (
    Any,
    Final,
    Generic,
    NamedTuple,
    NoReturn,
    Protocol,
    TypeVar,
    cast,
    get_type_hints,
)

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.alias_generators import to_snake
from pydantic_core import to_jsonable_python

from .._keywords import refuse_unknown
from ..errors import LifecycleFieldError, PayloadError, UnknownTriggerError
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ..runs._engine import RunEngine
from ..runs._fields import respelled
from ..runs._models import OWNED_NAMES, BaseResponse, RunResponse, RunStatus
from ..runs._move import remember
from ..runs._mover import Condition
from ._layout import Layout
from ._records import as_json, creation_of, document_of, one_line, run_of
from ._row_errors import UnreadableRunError, wrong_argument

__all__ = ["ANSWER", "Kind", "New", "Record", "RecordKind", "RunKind", "readable"]

ANSWER: Final = "submit_tool_outputs"
_T = TypeVar("_T")


class New(NamedTuple, Generic[_T]):
    """
    An object that is about to be stored.
    """

    id: str
    status: str
    draft: _T | None
    values: dict[str, Any]
    """What its row gets, by column."""


class Kind(Protocol[_T]):
    """
    What a store has to know of its objects.
    """

    def new(self, id: str | None, status: str | None, fields: Mapping[str, Any]) -> New[_T]:  # noqa: A002
        """Return a new object in *status*, with its fields checked."""

    def stored(self, new: New[_T], row: Any) -> _T:
        """Return the object that was stored; *row* is what the database answered."""

    def changed(self, row: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document and the columns of the object of *row*, with *fields* replaced."""

    def read(self, row: Any) -> _T:
        """Return the object that *row* holds; raise UnreadableRunError if it holds none."""

    def alike(self, trigger: str) -> bool:
        """Return whether *trigger* is judged alike, whatever object it is for."""

    def judge(
        self, trigger: str, payload: Mapping[str, Any], row: Any
    ) -> tuple[Transition | None, dict[str, Any]]:
        """Return the row that fires, None if no condition held, and the values that it sets."""


class Record(dict[str, Any]):
    """
    An object of a store that has no model: a dictionary whose keys are attributes, too.

    Example:
        >>> Record(id="a", status="queued").status
        'queued'
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _refuse_envelope(method: str, fields: Mapping[str, Any]) -> None:
    """
    Refuse *fields* of the answer to a request, which are no part of a run and would be lost.
    """
    names = [name for name in fields if to_snake(name) in BaseResponse.model_fields]
    if names:
        refuse_unknown(method, names, RunResponse.model_fields.keys() - BaseResponse.model_fields)


class RunKind:
    """
    Runs as the reference describes them.
    """

    def __init__(self, lifecycle: Lifecycle, engine: RunEngine) -> None:
        self._lifecycle, self._engine = lifecycle, engine
        targets = {t: {r.target for r in lifecycle if r.trigger == t} for t in lifecycle.triggers}
        # The payload of most triggers is judged alike, whatever run it is for.
        self._any_run = {
            trigger: RunResponse.model_construct(
                id="", created_at=0, status=RunStatus(lifecycle.sources(trigger)[0])
            )
            for trigger, ends in targets.items()
            if trigger != ANSWER and len(ends) == 1
        }

    def new(
        self,
        id: str | None,  # noqa: A002
        status: str | None,
        fields: Mapping[str, Any],
    ) -> New[RunResponse]:
        """See the protocol."""
        if status is not None:
            raise LifecycleFieldError(RunResponse.__name__, "status")
        _refuse_envelope("create", fields)
        # What a run does not have yet is null on the wire, not unknown.
        given = {"assistant_id": None, "thread_id": None, **fields}
        run, _ = self._engine._draft(id, **given)  # noqa: SLF001  its own judgement
        one_line(id=run.id, thread_id=run.thread_id, assistant_id=run.assistant_id)
        values = {
            "thread_id": run.thread_id,
            "assistant_id": run.assistant_id,
            "document": document_of(run),
        }

        return New(run.id, str(run.status), run, values)

    def stored(self, new: New[RunResponse], row: Any) -> RunResponse:
        """See the protocol."""
        run = new.draft
        assert run is not None  # noqa: S101  new() has made it
        run.__dict__.update(created_at=row.created_at, expires_at=row.expires_at)
        remember(run, creation_of(row))

        return run

    def changed(self, row: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
        """See the protocol."""
        for name in fields:
            if name in OWNED_NAMES or name in {"id", *self._lifecycle.identity}:
                raise LifecycleFieldError(RunResponse.__name__, name)
        _refuse_envelope("update", fields)
        refuse_unknown("update", fields, RunResponse.model_fields)
        held = run_of(row).model_dump(mode="json", exclude_unset=True)

        return {"document": document_of(RunResponse.model_validate({**held, **fields}))}

    def read(self, row: Any) -> RunResponse:
        """See the protocol."""
        return run_of(row)

    def alike(self, trigger: str) -> bool:
        """See the protocol."""
        return trigger in self._any_run

    def judge(
        self, trigger: str, payload: Mapping[str, Any], row: Any
    ) -> tuple[Transition | None, dict[str, Any]]:
        """See the protocol."""
        run = self._any_run[trigger] if row is None else run_of(row)
        judge = self._engine._prepare  # noqa: SLF001  as the engine judges, so does the store
        plan, changes = judge(run, trigger, payload)
        values = {name: changes.get(name) for name in plan.payload}
        if trigger == ANSWER:
            values["outputs"] = dict(payload["outputs"])

        return plan.row, values


class RecordKind(Generic[_T]):
    """
    Objects of any lifecycle: models of pydantic, dataclasses, or plain records.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        layout: Layout,
        model: type[_T] | None,
        new_id: Callable[[], str],
        conditions: Mapping[str, Condition],
    ) -> None:
        self._lifecycle, self._layout, self._model = lifecycle, layout, model
        self._new_id, self._conditions = new_id, conditions
        self._names = _field_names(model)
        self._adapter = None if model is None else TypeAdapter(model)
        self._spell = _status_speller(model, lifecycle)
        self._apart = {
            lifecycle.id_field, lifecycle.status_field, lifecycle.attempt_field, "version",
            *layout.fields, *layout.columns,
        }  # fmt: skip
        """What is not in the document."""
        if self._names is not None and lifecycle.status_field not in self._names:
            raise ValueError(f"model: {model!r} has no field {lifecycle.status_field!r}")

    # -- creation ------------------------------------------------------------------

    def new(self, id: str | None, status: str | None, fields: Mapping[str, Any]) -> New[_T]:  # noqa: A002
        """See the protocol."""
        status = self._beginning(status)
        identity = self._new_id() if id is None else id
        one_line(id=identity)
        entry = self._lifecycle.entry(status)
        given = {*entry.requires, *entry.accepts}
        details = {name: value for name, value in fields.items() if name in given}
        missing = [name for name in entry.requires if details.get(name) is None]
        if missing:
            expected = f"a value, which {status} requires"
            raise wrong_argument(missing[0], expected, details.get(missing[0]))
        rest = {name: value for name, value in fields.items() if name not in details}
        self._check_names("create", rest)
        facts = {
            self._lifecycle.id_field: identity,
            self._lifecycle.status_field: self._spell(status),
        }
        values = self._values({**rest, **details}, facts)
        values |= {
            self._layout.details[name]: self._as_json(name, value)
            for name, value in details.items()
            if value is not None
        }

        return New(identity, status, None, values)

    def _beginning(self, status: str | None) -> str:
        if status is None:
            return str(self._lifecycle.initial)
        for each in self._lifecycle.initial_statuses:
            if each == status or (isinstance(status, Enum) and each == status.name):
                return str(each)
        expected = ", ".join(map(str, self._lifecycle.initial_statuses))
        raise wrong_argument("status", f"an initial status ({expected})", status)

    def _check_names(self, method: str, fields: Mapping[str, Any]) -> None:
        owned = self._apart - {*self._layout.columns}
        for name in fields:
            if name in owned:
                raise LifecycleFieldError(self._layout.noun, name)
        if self._names is not None:
            refuse_unknown(method, fields, (self._names - owned) | {*self._layout.columns})

    def _values(self, fields: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the document and the columns of an object with *fields*, as its model makes them.
        """
        fields = dict(fields)
        if self._adapter is not None and self._names is not None:
            at = int(time.time())
            now = dict.fromkeys(self._layout.created, at)
            known = self._known(
                {**now, "version": 1, self._lifecycle.attempt_field: 1, **fields, **facts}
            )
            draft = self._adapter.validate_python(known, by_alias=True, by_name=True)
            dumped = self._adapter.dump_python(draft, mode="json", by_alias=False)
            fields = {**fields, **{n: v for n, v in dumped.items() if n not in facts}}
        values: dict[str, Any] = {}
        for name, kind in self._layout.columns.items():
            values[name] = _checked_column(name, kind, fields.get(name))
        rest = {name: value for name, value in fields.items() if name not in self._apart}
        values["document"] = self._as_json("data", rest)

        return values

    def changed(self, row: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
        """See the protocol."""
        self._check_names("update", fields)
        status = {self._lifecycle.status_field: self._spell(row.status)}

        return self._values({**self._facts(row), **fields}, status)

    def _known(self, values: Mapping[str, Any]) -> dict[str, Any]:
        if self._names is None:
            return dict(values)

        return {name: value for name, value in values.items() if name in self._names}

    def _as_json(self, name: str, value: Any) -> str:
        try:
            plain = to_jsonable_python(value, inf_nan_mode="constants")
            return json.dumps(plain, separators=(",", ":"), allow_nan=False)
        except (ValueError, TypeError, RecursionError):
            raise wrong_argument(name, "what JSON can hold", value) from None

    # -- reading ---------------------------------------------------------------------

    def stored(self, new: New[_T], row: Any) -> _T:  # noqa: ARG002  the row has it all
        """See the protocol."""
        return self.read(row)

    def read(self, row: Any) -> _T:
        """See the protocol."""
        try:
            values = self._facts(row)
            if self._adapter is None:
                return cast(_T, Record(values))
            status = self._lifecycle.status_field
            values[status] = self._spell(values[status])
            return self._adapter.validate_python(self._known(values), by_alias=True, by_name=True)
        except (ValueError, TypeError, RecursionError) as error:
            raise UnreadableRunError(str(row.id), _reason(error), self._layout.noun) from error

    def _facts(self, row: Any) -> dict[str, Any]:
        lifecycle, layout = self._lifecycle, self._layout
        values: dict[str, Any] = {
            lifecycle.id_field: row.id,
            lifecycle.status_field: row.status,
            lifecycle.attempt_field: row.reopened + 1,
            "version": row.version,
        }
        for name, kind in layout.columns.items():
            value = getattr(row, name)
            values[name] = bool(value) if kind is bool and value is not None else value
        for name, column in layout.stamps.items():
            values[name] = getattr(row, column)
        for name, column in layout.details.items():
            text = getattr(row, column)
            values[name] = None if text is None else json.loads(text)

        return {**json.loads(row.document), **values}

    # -- moves -----------------------------------------------------------------------

    def alike(self, trigger: str) -> bool:
        """See the protocol."""
        lifecycle = self._lifecycle
        rows = [row for row in lifecycle if row.trigger == trigger]

        return (
            not lifecycle.reopenings
            and len({row.target for row in rows}) == 1
            and not any(row.conditional for row in rows)
        )

    def judge(
        self, trigger: str, payload: Mapping[str, Any], row: Any
    ) -> tuple[Transition | None, dict[str, Any]]:
        """See the protocol."""
        lifecycle = self._lifecycle
        if row is None:
            found: Transition | None = next(r for r in lifecycle if r.trigger == trigger)
        else:
            found = self._candidate(trigger, row)
        if found is None:
            return None, {}
        entry, values = lifecycle.entry(found.target), {}
        takes = (*entry.requires, *entry.accepts)
        for name, value in payload.items():
            if name not in takes:
                expected = ", ".join(sorted(takes)) or "no payload"
                self._malformed(found, f"takes {expected}, not {name!r}")
            values[name] = value
            try:
                as_json(value)
            except (ValueError, TypeError, RecursionError):
                self._malformed(found, f"{name!r}: expected what JSON can hold")
        for name in entry.requires:
            if values.get(name) is None:
                self._malformed(found, f"{name!r} is required")

        return found, values

    def _candidate(self, trigger: str, row: Any) -> Transition | None:
        """
        Return the first row of *trigger* whose conditions hold for the object of *row*.
        """
        lifecycle = self._lifecycle
        known = {each.trigger for each in (*lifecycle, *lifecycle.reopenings)}
        if trigger not in known:
            error = UnknownTriggerError(
                row.id, row.status, trigger, sorted(known), lifecycle.allowed(row.status)
            )
            error.noun = self._layout.noun
            raise error
        rows = lifecycle.candidates(trigger, row.status)
        back = lifecycle.reopening(trigger, row.status)
        subject = self.read(row) if any(each.conditional for each in rows) else None
        for each in (*rows, *([back] if back else [])):
            if all(self._conditions[name](subject) for name in each.when) and not any(
                self._conditions[name](subject) for name in each.unless
            ):
                return each

        return None

    def _malformed(self, row: Transition, reason: str) -> NoReturn:
        allowed = self._lifecycle.allowed(row.source)
        raise PayloadError("", row.source, row.trigger, row.target, allowed, reason)


def _checked_column(name: str, kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if kind is str:
        one_line(**{name: value})
    # Not isinstance: True is not a number.
    elif type(value) is not kind and not (kind is float and type(value) is int):
        raise wrong_argument(name, f"{kind.__name__} or None", value)
    elif kind is int and not -(2**63) <= value < 2**63:
        raise wrong_argument(name, "a whole number of 64 bits", value)

    return value


def _field_names(model: Any) -> set[str] | None:
    """
    Return the names of the fields of *model*; None where there is no model.
    """
    if model is None:
        return None
    if isinstance(model, type) and issubclass(model, BaseModel):
        return set(model.model_fields)
    if isinstance(model, type) and dataclasses.is_dataclass(model):
        return {each.name for each in dataclasses.fields(model)}
    raise wrong_argument("model", "a model of pydantic or a dataclass", model)


def _status_speller(model: Any, lifecycle: Lifecycle) -> Callable[[str], Any]:
    """
    Return what makes of a status the member of the Enum that *model* declares, if it does.
    """
    declared = None if model is None else get_type_hints(model).get(lifecycle.status_field)
    if not (isinstance(declared, type) and issubclass(declared, Enum)):
        return lambda status: status
    like, source = next(
        (member, word)
        for member in declared
        for word in (str(member.value), member.name)
        if word in lifecycle.known
    )

    return lambda status: respelled(like, source, status)


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"its row is not what the store writes ({type(error).__name__})"
    faults = error.errors(include_url=False, include_input=False, include_context=False)

    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:5])


def readable(
    kind: Kind[_T], rows: Iterable[Any], unreadable: Callable[[UnreadableRunError], Any]
) -> tuple[_T, ...]:
    """
    Return the objects that *rows* hold, and give *unreadable* the error of each that holds none.
    """
    found = []
    for row in rows:
        try:
            found.append(kind.read(row))
        except UnreadableRunError as error:
            unreadable(error)

    return tuple(found)
