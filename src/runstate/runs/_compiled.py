"""
Compiles the moves of plain objects: one Python function for each trigger of an engine.

A table that is read for every move costs three times the move itself. So each trigger becomes a
function, as ``dataclasses`` and ``attrs`` make theirs, that has the rows of its lifecycle as
branches and the fields as attributes. It does what :class:`runstate.runs._move.Move` does, for
the usual objects alone: whatever is unusual goes that way, before anything has changed.
"""

import keyword
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ._log import Moved

__all__ = ["written"]


def written(
    plans: Mapping[str, Any], mover: Any, lock: Any, long_way: Callable[..., Moved]
) -> Callable[..., Moved] | None:
    """
    Return a function ``(object, payload) -> Moved`` for one trigger; None if it cannot be compiled.

    A move of which the caller says who makes it, and why, goes the long way.

    Args:
        plans: The plan of the trigger from each status.
        mover: What all moves of the engine share. Its ``plain`` are the classes whose objects
            hold whole seconds as times and take values as they are.
        lock: Held while fields are compared and written.
        long_way: Makes every move that is unusual. It is called before anything has changed.
    """
    usual = {source: plan for source, plan in plans.items() if _is_usual(plan, mover)}
    if mover.guards or not usual:
        return None
    scope: dict[str, Any] = {
        "clock": mover.clock,
        "lock": lock,
        "log": mover.log,
        "long_way": long_way,
        "Moved": Moved,
        "new_record": tuple.__new__,
        "observers": mover.observers,
        "plain": mover.plain,
        "run_id": mover.run_id,
        **{f"plan{number}": plan for number, plan in enumerate(usual.values())},
    }
    code = compile("\n".join(_lines(usual, mover)), "<a move of runstate>", "exec")
    exec(code, scope)  # noqa: S102  names are checked, and whatever else is written by repr()
    function: Callable[..., Moved] = scope["move"]

    return function


def _is_usual(plan: Any, mover: Any) -> bool:
    """
    Return whether the move of *plan* only sets fields, and each of them once.
    """
    lifecycle = mover.lifecycle
    fixed = {*plan.changes, *plan.stamps}
    names = {lifecycle.status_field, lifecycle.id_field, *lifecycle.moment_fields, *fixed}
    special = plan.choices or plan.raises or plan.holds or not fixed.isdisjoint(plan.payload)

    return not special and all(map(_can_be_written, names.union(plan.payload)))


def _can_be_written(name: str) -> bool:
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name)


def _lines(plans: Mapping[str, Any], mover: Any) -> list[str]:
    lines = [
        "def move(target, payload):",
        "    if type(target) not in plain:",
        "        return long_way(target, payload)",
        "    try:",
        f"        status = target.{mover.lifecycle.status_field}",
        "    except AttributeError:",
        "        return long_way(target, payload)",
        "    if type(status) is not str:",
        "        return long_way(target, payload)",
    ]
    for number, (source, plan) in enumerate(plans.items()):
        lines.append(f"    if status == {source!r}:")
        lines += [f"        {line}" for line in _branch(f"plan{number}", plan, mover)]

    return [*lines, "    return long_way(target, payload)"]


def _branch(name: str, plan: Any, mover: Any) -> list[str]:
    """
    Return the lines that make the move of *plan*; *name* is its variable.
    """
    status, times = mover.lifecycle.status_field, tuple(mover.lifecycle.moment_fields)
    changed = dict.fromkeys((*plan.changes, *plan.stamps, *plan.payload))
    del changed[status]
    given = "True" if plan.demands else "payload"
    prepare = [
        "changes = {}",
        f"if {given}:",
        f"    {name}.prepare(target, {name}, payload, changes)",
    ]
    refuse = ["if payload:", "    return long_way(target, payload)"]
    note = ["    observers.note(target, moved)"] if mover.observers is not None else []
    deliver = ["observers.deliver(target)"] if mover.observers is not None else []
    log = (
        ["log.moved(moved, True)"] if plan.warn else ["if not log.silent:", "    log.moved(moved)"]
    )

    return [
        *(prepare if plan.payload else refuse),
        "now = at = clock()",
        "with lock:",
        f"    if target.{status} != {plan.source!r}:",
        "        return long_way(target, payload)",
        *(f"    {line}" for line in _looked_up(dict.fromkeys((*times, *changed)))),
        *(f"    {line}" for field in times for line in _latest(f"was_{field}")),
        "    try:",
        *(f"        {line}" for line in _changes(plan, status)),
        "    except BaseException:",
        *(f"        target.{field} = was_{field}" for field in changed),
        f"        target.{status} = status",
        "        raise",
        f"    known = getattr(target, {mover.lifecycle.id_field!r}, None)",
        "    if type(known) is not str or len(known) > 500 or not known.isprintable():",
        "        known = run_id(target)",
        "    moved = new_record(Moved, (known, "
        f"{plan.trigger!r}, {plan.source!r}, {plan.target!r}, at, None, None, at > now, None, None))",
        *note,
        *log,
        *deliver,
        "return moved",
    ]


def _looked_up(fields: Iterable[str]) -> list[str]:
    """
    Return the lines that save the values of *fields*, or go the long way if one is missing.
    """
    lines = [f"    was_{field} = target.{field}" for field in fields]

    return lines and [
        "try:",
        *lines,
        "except AttributeError:",
        "    return long_way(target, payload)",
    ]


def _latest(was: str) -> list[str]:
    """
    Return the lines that set ``at`` to the time in the variable *was* if that is later.
    """
    return [
        f"if {was} is not None:",
        f"    if type({was}) is not int:",
        "        return long_way(target, payload)",
        f"    if {was} > at:",
        f"        at = {was}",
    ]


def _changes(plan: Any, status: str) -> list[str]:
    """
    Return the lines that write the fields, and the status last of them.
    """
    lines = [f"target.{field} = None" for field in plan.changes if field != status]
    if plan.payload:
        lines.append("if changes:")
    for field in plan.payload:
        lines += [f"    if {field!r} in changes:", f"        target.{field} = changes[{field!r}]"]
    if plan.stamps:
        lines.append("seconds = int(at)")
    lines += [f"target.{field} = seconds" for field in plan.stamps]

    return [*lines, f"target.{status} = {plan.target!r}"]
