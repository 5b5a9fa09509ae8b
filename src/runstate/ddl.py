"""
The table as SQL, so that the database itself refuses an illegal move.

Whatever writes to the caller's table afterwards, an ORM, a script, a hand at a prompt,
cannot make a move that is no row, nor leave a terminal status. Deleting a run and
inserting another under its id is not a move, and is not prevented.
"""

import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final, Literal, get_args

from ._lifecycle import Lifecycle

__all__ = ["DIALECTS", "Dialect", "guard_sql"]

Dialect = Literal["postgresql", "sqlite"]
"""What the statements are for."""
DIALECTS: Final[tuple[str, ...]] = get_args(Dialect)

_Quote = Callable[[str], str]

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_LONGEST: Final = 63
"""Bytes of a name that PostgreSQL keeps."""


def guard_sql(
    lifecycle: Lifecycle,
    dialect: Dialect,
    *,
    table: str = "runs",
    column: str = "status",
    key: str = "id",
    fields: Iterable[str] = (),
) -> str:
    """
    Return the statements that make a table of the caller's own obey *lifecycle*.

    They may be run again. In SQLite, an INSERT for
    the key of a run that has ended is refused whatever its conflict clause, since
    REPLACE cannot be told apart from the others.

    Args:
        lifecycle: The table of legal moves.
        dialect: ``postgresql`` or ``sqlite``.
        table: Name of the table; for PostgreSQL also ``schema.table``.
        column: Name of the column that holds the status.
        key: Name of the column that identifies a run.
        fields: Fields of the lifecycle that the table has columns for, such as
            ``completed_at``: what a status requires or excludes is checked too.

    Raises:
        ValueError: A name is none, or a field is not the lifecycle's.

    Example:
        >>> from runstate import RUN
        >>> print(guard_sql(RUN.only("documented"), "sqlite").splitlines()[0])
        -- The lifecycle 'run-documented', held by the database.
    """
    if dialect not in DIALECTS:
        raise ValueError(f"no dialect {dialect!r} (known: {', '.join(DIALECTS)})")
    schema, _, name = table.rpartition(".")
    names = [name, column, key, *([schema] if schema else [])]
    for each in names:
        if not _NAME.fullmatch(each):
            raise ValueError(f"a name is lower-case letters, digits and underscores, not {each!r}")
    if schema and dialect == "sqlite":
        raise ValueError(f"SQLite takes a table without a schema, not {table!r}")
    guard = _Guard(lifecycle, name, column, key, tuple(fields))
    lines = guard.sqlite() if dialect == "sqlite" else guard.postgresql(schema)

    return "\n".join([f"-- The lifecycle '{lifecycle.name}', held by the database.", *lines, ""])


class _Guard:
    """
    The parts of the statements.
    """

    def __init__(
        self, lifecycle: Lifecycle, table: str, column: str, key: str, fields: tuple[str, ...]
    ) -> None:
        self.lifecycle, self.table, self.column = lifecycle, table, column
        self.status, self.key, self.stem = f'"{column}"', f'"{key}"', f"{table}_{column}"
        known = {*lifecycle.stamp_fields, *lifecycle.detail_fields}
        for field in fields:
            if field not in known or not _NAME.fullmatch(field):
                raise ValueError(
                    f"no field {field!r} (known: {', '.join(sorted(known)) or 'none'})"
                )
        self.fields = fields

    def sqlite(self) -> list[str]:
        """
        Return triggers: SQLite can add no check to a table that is there.
        """
        status, key, table = self.status, self.key, f'"{self.table}"'
        new, old = f"NEW.{status} COLLATE BINARY", f"OLD.{status} COLLATE BINARY"
        known = _listed(self.lifecycle.statuses, _sqlite_text)
        legal = self._legal(old, new, _sqlite_text)
        ended = _listed(self.lifecycle.terminal, _sqlite_text)
        taken = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key}"  # noqa: S608  names are checked
        unknown = ("known", f"NOT coalesce({new} IN ({known}), 0)", "no status of the lifecycle")
        misfits = [
            (
                f"{field}_{'missing' if what == 'NULL' else 'excluded'}",
                f'coalesce({new} IN ({which}), 0) AND NEW."{field}" IS {what}',
                message,
            )
            for field, which, what, message in self._misfits(_sqlite_text)
        ]
        replaced = (
            "ended",
            f"{taken} AND {status} COLLATE BINARY IN ({ended})"
            f" AND {status} COLLATE BINARY IS NOT NEW.{status})",
            "the run has ended, and keeps its status",
        )
        moved = [
            ("moves", f"NOT coalesce({legal}, 0)", "no such move in the lifecycle"),
            ("key", f"OLD.{key} IS NOT NEW.{key} AND {taken})", "another run has this key"),
        ]

        return [
            line
            for event, rules in (
                ("insert", [unknown, replaced, *misfits]),
                ("update", [unknown, *moved, *misfits]),
            )
            for rule in rules
            for line in self._trigger(event, *rule)
        ]

    def _trigger(self, event: str, rule: str, condition: str, message: str) -> list[str]:
        name = _short(f"{self.stem}_{event}_{rule}")
        text = _sqlite_text(f"{self.table}.{self.column}: {message}")

        return [
            f'DROP TRIGGER IF EXISTS "{name}";',
            f'CREATE TRIGGER "{name}" BEFORE {event.upper()} ON "{self.table}" FOR EACH ROW',
            f"WHEN {condition}",
            f"BEGIN SELECT RAISE(ABORT, {text}); END;",
        ]

    def postgresql(self, schema: str) -> list[str]:
        """
        Return checks, and a function that triggers call before and after an update.

        Before, because a row that changes its partition has no after; after, because
        a trigger that comes later may change what was looked at before.
        """
        table = f'"{schema}"."{self.table}"' if schema else f'"{self.table}"'
        new, old = f"NEW.{self.status}::text", f"OLD.{self.status}::text"
        legal = self._legal(old, new, _postgresql_text)
        name = f'"{_short(f"{self.stem}_moves")}"'
        function = f'"{schema}".{name}' if schema else name
        body = f"""
BEGIN
    IF NOT coalesce({legal}, false) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = format(
            'run %L is %s: cannot become %s',
            OLD.{self.key}, coalesce({old}, 'null'), coalesce({new}, 'null'));
    END IF;
    RETURN NEW;
END
"""
        tag = next(t for n in range(len(body)) if (t := f"$runstate{n or ''}$") not in body)
        lines = [
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {tag}{body}{tag};"
        ]
        for moment in ("before", "after"):
            name = _short(f"{self.stem}_{moment}")
            lines += [
                f'DROP TRIGGER IF EXISTS "{name}" ON {table};',
                f'CREATE TRIGGER "{name}" {moment.upper()} UPDATE ON {table}'
                f" FOR EACH ROW EXECUTE FUNCTION {function}();",
            ]
        known = _listed(self.lifecycle.statuses, _postgresql_text)
        checks = {"known": f"{self.status} IS NOT NULL AND {self.status}::text IN ({known})"}
        for field, which, what, _ in self._misfits(_postgresql_text):
            fits = f'({self.status}::text NOT IN ({which}) OR "{field}" IS {_OPPOSITE[what]})'
            name = f"{field}_fits"
            checks[name] = f"{checks[name]} AND {fits}" if name in checks else fits
        for name, check in checks.items():
            constraint = _short(f"{self.stem}_{name}")
            lines += [
                f'ALTER TABLE {table} DROP CONSTRAINT IF EXISTS "{constraint}";',
                f'ALTER TABLE {table} ADD CONSTRAINT "{constraint}" CHECK ({check});',
            ]

        return lines

    def _legal(self, old: str, new: str, text: _Quote) -> str:
        """
        Return the condition that staying is no move, or the move is a row.
        """
        moves = [
            f"({old} = {text(str(status))} AND {new} IN ({_listed(targets, text)}))"
            for status in self.lifecycle.statuses
            if (targets := self.lifecycle.targets(status))
        ]

        return "(" + "\n    OR ".join([f"{old} = {new}", *moves]) + ")"

    def _misfits(self, text: _Quote) -> list[tuple[str, str, str, str]]:
        """
        Return every field with the statuses that require or exclude it, and what is wrong then.
        """
        found = []
        for field in self.fields:
            for asked, what, message in (
                (self.lifecycle.required_fields, "NULL", f"the status requires {field}"),
                (self.lifecycle.excluded_fields, "NOT NULL", f"the status excludes {field}"),
            ):
                which = [s for s in self.lifecycle.statuses if field in asked(s)]
                if which:
                    found.append((field, _listed(which, text), what, message))

        return found


def _sqlite_text(text: str) -> str:
    """
    Return *text* as a literal. A lifecycle has refused what is not visible on one line.
    """
    return "'" + text.replace("'", "''") + "'"


def _postgresql_text(text: str) -> str:
    """
    Return *text* as a literal, whatever ``standard_conforming_strings`` says.
    """
    quoted = _sqlite_text(text)

    return "E" + quoted.replace("\\", "\\\\") if "\\" in quoted else quoted


_OPPOSITE: Final = {"NULL": "NOT NULL", "NOT NULL": "NULL"}


def _listed(texts: Iterable[str], quote: _Quote) -> str:
    return ", ".join(quote(str(text)) for text in texts)


def _short(name: str) -> str:
    """
    Return a name that no database cuts off, and that is still its own.
    """
    if len(name) <= _LONGEST:
        return name

    return f"{name[: _LONGEST - 9]}_{sha256(name.encode()).hexdigest()[:8]}"
