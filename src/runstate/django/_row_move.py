"""
One move of one model instance.

One statement decides: ``UPDATE … WHERE pk = … AND status = <the status that was seen>``. A writer
that comes too late updates no row, and gets the status that the winner set.
"""

import time
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Final, NamedTuple

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, models, router, transaction

from .._text import shown_value
from ..errors import (
    IllegalTransitionError,
    MoveRefusedError,
    PayloadError,
    UnknownTriggerError,
    WrongObjectError,
)
from ..lifecycle._rows import BAD_OUTCOMES, Transition, name_of
from ..lifecycle._table import Lifecycle
from ..runs._driver_errors import is_broken_off, is_busy
from ..runs._fields import moment_of, word_of
from ..runs._log import Moved, MoveLog
from ..runs._retries import pauses
from ..runs._verdicts import (
    Applied,
    ConcurrentMoveError,
    Illegal,
    RunNotFoundError,
    Stale,
    StatusMissingError,
    Superseded,
)
from ..runs._writable import why_unwritable
from ._status_field import StatusField, status_fields, word

__all__ = ["move"]

_LOOKS: Final = 20
"""How often the row may change between a look and an update before the caller must start again."""
_UNKNOWN: Final = object()
"""Stands for a deferred attempt, which fences nothing."""


class _Seen(NamedTuple):
    """
    What a row held when it was looked at.
    """

    status: str
    attempt: Any
    held: Mapping[str, Any]
    """The values of the lifecycle's columns; empty if they come from the instance."""


def move(
    instance: models.Model,
    trigger: str,
    *,
    actor: str | None = None,
    using: str | None = None,
    **fields: Any,
) -> Applied | Superseded | Illegal | Stale:
    """
    Move the row of *instance* by *trigger*, and write the journal in the same transaction.

    The move joins the transaction that is open, or has one of its own, which it repeats when
    the database breaks it off. It sets the status, stamps and clears what the lifecycle says,
    as far as the model has the fields, and sets *fields*; ``auto_now`` fields get the time of
    the move. Then the same values are set on *instance*. No other field is saved, and no signal
    of ``save()`` is sent. The move is logged when the transaction is committed.

    If the model has the lifecycle's attempt field, the move is fenced: it is made only if
    the row is still in the attempt of *instance*. A row that reopens raises the attempt.

    Args:
        instance: A saved instance of a model with one :class:`StatusField`. It may be older
            than the row, and its status may be deferred.
        trigger: A trigger of the lifecycle.
        actor: Who makes the move, for the journal.
        using: Alias of the database; by default the one that ``save()`` would use.
        fields: Further fields of the model to set, such as the payload of the target. Values
            may be expressions such as ``F("tries") + 1``.

    Returns:
        :class:`Applied`; or, if another writer was faster, :class:`Superseded` by the end of
        the object, :class:`Illegal` from the status that the object has now, or :class:`Stale`
        if the object is in another attempt now. After the first two *instance* has the status
        of the row; after ``Stale`` it is as it was.

    Raises:
        IllegalTransitionError: The row has the status that *instance* has, and the lifecycle
            does not allow the trigger from there, or no condition of it held.
        UnknownTriggerError: The lifecycle has no such trigger.
        PayloadError: *fields* lack what the target requires and the model has, or have what
            is not a field of the table; or a text cannot be stored.
        RunNotFoundError: The row was deleted.
        StatusMissingError: The row's status is NULL.
        ConcurrentMoveError: Another transaction changed the row, and the database cannot show
            the open transaction how. Roll back and run the transaction again.
        WrongObjectError: *instance* was never saved, or its model has not one status field.
        ImproperlyConfigured: ``runstate.django`` is not among the ``INSTALLED_APPS``.
    """
    row = _Row(instance, word(name_of(trigger)), actor, fields)
    alias = using or router.db_for_write(type(instance), instance=instance)
    # Only a transaction of the move's own can be run again.
    waits = iter(()) if connections[alias].in_atomic_block else pauses()
    while True:
        try:
            with transaction.atomic(using=alias):
                answer, values = row.moved(alias)
            break
        except DatabaseError as error:
            if not (is_broken_off(error.__cause__) or is_busy(error.__cause__)):
                raise
            pause = next(waits, None)
            if pause is None:
                raise ConcurrentMoveError(row.key) from error
        time.sleep(pause)
    for name, value in values.items():
        setattr(instance, name, value)

    return answer


class _Row:
    """
    One row, and the trigger that is fired at it.
    """

    def __init__(
        self, instance: models.Model, trigger: str, actor: str | None, fields: Mapping[str, Any]
    ) -> None:
        self._field = _field_of(instance)
        self._instance, self._trigger = instance, trigger
        self._actor, self._fields = actor, fields
        self._lifecycle: Lifecycle = self._field.lifecycle
        self.key = str(instance.pk)
        """Primary key of the row, as a text."""
        self._meta: Any = self._field.model._meta  # noqa: SLF001  Django's public name
        self._columns = {each.name: each for each in self._meta.local_concrete_fields}
        name = self._lifecycle.attempt_field
        self._attempt = name if name in self._columns else None
        self._held_status, self._held_attempt = self._held()
        known = {row.trigger for row in (*self._lifecycle, *self._lifecycle.reopenings)}
        if trigger not in known:
            status = self._held_status or "any"
            allowed = self._lifecycle.allowed(status)
            raise self._named(
                UnknownTriggerError(self.key, status, trigger, self._lifecycle.triggers, allowed)
            )

    def moved(self, alias: str) -> tuple[Applied | Superseded | Illegal | Stale, dict[str, Any]]:
        """
        Return the answer, and the values that the instance has after it.
        """
        at = time.time()
        # The first try needs no query: the instance may well be as the row is.
        seen = None
        if self._held_status is not None and self._held_attempt is not _UNKNOWN:
            seen = _Seen(self._held_status, self._held_attempt, {})
        for _ in range(_LOOKS):
            row = None if seen is None else self._chosen(seen.status)
            if seen is None or (row is None and not seen.held):
                seen = self._look(alias)
                if self._held_attempt not in (_UNKNOWN, seen.attempt):
                    return Stale(self._held_attempt, status=seen.status), {}
                row = self._chosen(seen.status)
            if row is None:
                return self._refusal(alias, seen)
            changes = self._changes(row, seen, at)
            if self._update(alias, seen, changes):
                return self._applied(alias, row, seen, changes, at)
            seen = None
        raise ConcurrentMoveError(self.key)

    # -- what is there ---------------------------------------------------------------

    def _held(self) -> tuple[str | None, Any]:
        """
        Return the status and the attempt that the instance holds; None and _UNKNOWN if deferred.
        """
        values = self._instance.__dict__
        status = values.get(self._field.attname)
        attempt = values.get(self._attempt, _UNKNOWN) if self._attempt else None

        return None if status is None else word_of(status, self._lifecycle.known), attempt

    def _look(self, alias: str) -> _Seen:
        """
        Return what the row holds now, after the transactions of others.
        """
        names = {*self._lifecycle.stamp_fields, *self._lifecycle.detail_fields, self._attempt}
        wanted = [self._field.name, *(name for name in self._columns if name in names)]
        found = self._rows(alias).select_for_update().values(*wanted).first()
        if found is None:
            raise RunNotFoundError(self.key, self._lifecycle.name)
        status = found[self._field.name]
        if status is None:
            raise StatusMissingError(self.key, str(self._field.column))

        return _Seen(status, found[self._attempt] if self._attempt else None, found)

    def _rows(self, alias: str) -> Any:
        manager: Any = self._field.model._base_manager  # noqa: SLF001  as save() does

        return manager.using(alias).filter(pk=self._instance.pk)

    # -- the move --------------------------------------------------------------------

    def _chosen(self, status: str) -> Transition | None:
        """
        Return the transition that is fired from *status*; None if there is none.
        """
        holds, instance = self._field.conditions, self._instance
        reopening = self._lifecycle.reopening(self._trigger, status)
        rows = [reopening] if reopening else []
        for row in (*rows, *self._lifecycle.candidates(self._trigger, status)):
            wanted = all(holds[name](instance) for name in row.when)
            if wanted and not any(holds[name](instance) for name in row.unless):
                return row

        return None

    def _changes(self, row: Transition, seen: _Seen, at: float) -> dict[str, Any]:
        """
        Return the new value of every field that the move changes.
        """
        entry, columns = self._lifecycle.entry(row.target), self._columns
        for name in entry.requires:
            if self._fields.get(name) is None and name in columns:
                raise self._malformed(row, f"{name!r} is required")
        self._check_fields(row)
        stamped = [name for name in entry.stamps if name in columns]
        stamped += [name for name, each in columns.items() if _is_auto_now(each)]
        cleared = [name for name in (*row.clears, *entry.clears) if name in columns]
        moments = self._lifecycle.moment_fields
        changes = {
            **{name: _empty(columns[name]) for name in cleared},
            **{name: moment_of(self._instance, name, at, moments) for name in stamped},
            **self._fields,
            self._field.name: word(row.target),
        }
        if row.reopens:
            # A row that has not been retried may have no number yet.
            changes[str(self._attempt)] = (1 if seen.attempt is None else seen.attempt) + 1

        return changes

    def _check_fields(self, row: Transition) -> None:
        """
        Expect the fields to be columns that the caller may set, and texts that can be stored.
        """
        settable = {*self._columns, *(each.attname for each in self._columns.values())}
        settable -= {self._field.name, self._meta.pk.name, self._meta.pk.attname}
        settable -= {self._attempt} if row.reopens else set()
        for name, value in self._fields.items():
            if name not in settable:
                if name in self._columns:
                    raise self._malformed(row, f"{name!r} is set by move() itself")
                raise self._malformed(row, f"the table {self._meta.db_table} has no field {name!r}")
            if reason := _why_unstorable(value):
                raise self._malformed(row, f"{name}: {reason}")
        if not isinstance(self._actor, str | None):
            raise self._malformed(row, f"actor: expected a text, got {shown_value(self._actor)}")
        if reason := _why_unstorable(self._actor):
            raise self._malformed(row, f"actor: {reason}")

    def _update(self, alias: str, seen: _Seen, changes: Mapping[str, Any]) -> bool:
        """
        Make the move if the row still is as it was *seen*, and return whether it was.
        """
        rows = self._rows(alias).filter(**{self._field.name: seen.status})
        if self._attempt:
            rows = rows.filter(**{self._attempt: seen.attempt})

        return bool(rows.update(**changes) == 1)

    # -- the answer ------------------------------------------------------------------

    def _applied(
        self, alias: str, row: Transition, seen: _Seen, changes: Mapping[str, Any], at: float
    ) -> tuple[Applied, dict[str, Any]]:
        values = {
            name: each for name, each in changes.items() if not hasattr(each, "resolve_expression")
        }
        computed = [self._meta.get_field(name).attname for name in changes if name not in values]
        if computed:
            values |= self._rows(alias).values(*computed).get()
        moved = Moved(self.key, word(row.trigger), word(row.source), word(row.target), at)
        entry = _journal()(model=self._meta.label_lower, object_id=self.key, actor=self._actor)
        entry.trigger, entry.source, entry.target = moved.trigger, moved.source, moved.target
        entry.at = moment_of(entry, "at", at, ())
        if self._attempt:
            entry.attempt = values.get(self._attempt, seen.attempt)
        entry.save(using=alias, force_insert=True)
        bad = self._lifecycle.terminal.get(row.target) in BAD_OUTCOMES
        log = partial(_log_of(self._lifecycle.name).moved, moved, bad)
        transaction.on_commit(log, using=alias)

        return Applied(moved), values

    def _refusal(self, alias: str, seen: _Seen) -> tuple[Superseded | Illegal, dict[str, Any]]:
        """
        Return what another writer has left to this one.

        Raises:
            IllegalTransitionError: No other writer was faster.
        """
        status, allowed = seen.status, self._lifecycle.allowed(seen.status)
        tried = self._lifecycle.candidates(self._trigger, status)
        reason = "no condition held" if tried else ""
        last = self._last_move(alias, status)
        by = last.trigger if last else None
        if status == self._held_status:
            targets = {row.target for row in self._lifecycle if row.trigger == self._trigger}
            target = word(targets.pop()) if len(targets) == 1 else None
            known = status in self._lifecycle.known
            raise self._named(
                IllegalTransitionError(
                    self.key, status, self._trigger, target, allowed, by, known, reason
                )
            )
        values = {self._columns[name].attname: value for name, value in seen.held.items()}
        if self._lifecycle.is_terminal(status):
            return Superseded(status, by, last), values

        return Illegal(status, allowed, by, reason), values

    def _last_move(self, alias: str, status: str) -> Moved | None:
        """
        Return the move that led to *status*, if the journal has it.
        """
        entries = _journal().objects.using(alias)
        last = entries.filter(model=self._meta.label_lower, object_id=self.key).last()
        if last is None or last.target != status:
            return None

        return Moved(self.key, last.trigger, last.source, last.target, last.at.timestamp())

    def _malformed(self, row: Transition, reason: str) -> MoveRefusedError:
        source, allowed = word(row.source), self._lifecycle.allowed(row.source)
        target = word(row.target)

        return self._named(PayloadError(self.key, source, self._trigger, target, allowed, reason))

    def _named(self, error: MoveRefusedError) -> MoveRefusedError:
        error.noun = self._lifecycle.name

        return error


def _field_of(instance: Any) -> StatusField:
    """
    Return the one status field of the model of *instance*.

    Raises:
        WrongObjectError: There is not one, or the instance is not saved.
    """
    if not isinstance(instance, models.Model):
        raise WrongObjectError("an instance of a Django model", _named_type(instance))
    found = status_fields(type(instance))
    if len(found) != 1:
        raise WrongObjectError(
            "an instance of a model with one StatusField",
            f"a {_named_type(instance)} with {len(found)} of them",
        )
    if instance._state.adding or instance.pk is None:  # noqa: SLF001  Django's public name
        raise WrongObjectError("a saved instance", f"a {_named_type(instance)} that is not saved")
    field = found[0]
    columns = {each.name for each in field.model._meta.local_concrete_fields}  # noqa: SLF001
    if field.lifecycle.reopenings and field.lifecycle.attempt_field not in columns:
        raise WrongObjectError(
            f"a model with the field {field.lifecycle.attempt_field!r}, since its lifecycle reopens",
            f"a {_named_type(instance)} without it",
        )

    return field


def _named_type(value: Any) -> str:
    return (
        f"the class {value.__qualname__}" if isinstance(value, type) else type(value).__qualname__
    )


def _journal() -> Any:
    try:
        return apps.get_model("runstate_django", "JournalEntry")
    except LookupError:
        raise ImproperlyConfigured(
            "move() writes a journal: add 'runstate.django' to INSTALLED_APPS, and migrate"
        ) from None


@cache
def _log_of(lifecycle: str) -> MoveLog:
    return MoveLog(lifecycle=lifecycle)


def _is_auto_now(field: Any) -> bool:
    return isinstance(field, models.DateTimeField) and field.auto_now


def _empty(field: Any) -> Any:
    return None if field.null else field.get_default()


def _why_unstorable(value: Any) -> str:
    """
    Return why no database could store the text *value*; empty if it can, or is not a text.
    """
    if not isinstance(value, str):
        return ""
    if "\0" in value:
        return "expected a text without the character NUL"

    return why_unwritable(value)
