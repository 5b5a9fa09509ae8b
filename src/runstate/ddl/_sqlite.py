"""
The guard for SQLite: triggers.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from .._text import printable
from ._guard import Named, quoted
from ._refusals import Refusal, Refusals

__all__ = ["SQLite"]

_LONGEST_MESSAGE: Final = 500
_MADE: Final = re.compile(r'CREATE (TRIGGER|TABLE) "([^"]+)"')


class SQLite(Refusals):
    """
    Triggers only: SQLite cannot add a check constraint to an existing table.

    An insert that replaces fires no trigger for what it removes, and those that fire do
    not know that it replaces. What tells is a second table, ``taken``: a statement's
    conflict clause holds for what its triggers insert as well, so that of two lines
    with one key only a ``REPLACE`` lets the second in, whereupon it is looked at as the
    update that it is. Nothing stays in that table.
    """

    dialect = "sqlite"

    def literal(self, text: str) -> str:
        """
        Return *text* as a literal.
        """
        return quoted(text)

    def blocks(self) -> list[list[str]]:
        """
        Return every statement, within a savepoint, so that all of them take effect or none.
        """
        savepoint = self.called("guard")

        return [
            [f"SAVEPOINT {savepoint};"],
            *(
                [f"DROP TRIGGER IF EXISTS {self.called(what)};"]
                for what in ("insert", "update", "key")
            ),
            self.taken(),
            [self.undeclared()],
            [self.trigger("insert", "BEFORE INSERT", self.insert_refusals())],
            [self.key_trigger()],
            [self.trigger("update", "BEFORE UPDATE", self.update_refusals())],
            [self.looked_over()],
            [f"RELEASE {savepoint};"],
        ]

    def inspect(self, cursor: Any) -> dict[Named, tuple[Any, Any]]:
        """
        Return each trigger, and the helper table, with its expected and its found text.
        """
        expected = {
            (made[1].lower(), made[2]): statement.removesuffix(";")
            for block in self.blocks()
            for statement in block
            if (made := _MADE.match(statement))
        }
        names = ", ".join(quoted(name) for _, name in expected)
        cursor.execute(f"SELECT type, name, sql FROM sqlite_master WHERE lower(name) IN ({names})")
        found = {(kind, name.lower()): text for kind, name, text in cursor.fetchall()}

        return {named: (text, found.get(named)) for named, text in expected.items()}

    def exactly(self, status: str) -> str:
        """
        Return *status* as text, compared byte by byte whatever the column's collation.
        """
        return f"{status} COLLATE BINARY"

    def refusing(self, refusals: Iterable[Refusal]) -> str:
        """
        Return the statement that raises the first of *refusals* that holds.
        """
        cases = self.cases(refusals, "RAISE(ABORT, {})")

        return f"    SELECT CASE\n{cases}\n    END;"

    def said(self, message: str) -> str:
        """
        Return *message*, cut where it is very long.
        """
        return printable(message, _LONGEST_MESSAGE)

    def differ(self, one: str, other: str) -> str:
        """
        Return the condition that two values differ, of which each may be NULL.
        """
        return f"{one} IS NOT {other}"

    def trigger(self, what: str, when: str, refusals: Iterable[Refusal]) -> str:
        """
        Return the trigger that raises the first of *refusals* that holds.
        """
        return (
            f"CREATE TRIGGER {self.called(what)} {when} ON {self.table} BEGIN\n"
            f"{self.refusing(refusals)}\nEND;"
        )

    def taken(self) -> list[str]:
        """
        Return the statements for the helper table that detects a ``REPLACE``, and its refusals.
        """
        taken = self.called("taken")
        declared = f"table {self.bare} is declared ON CONFLICT REPLACE, which cannot be guarded"
        refusals = [
            ("NEW.run IS NULL", declared),
            # What replaces a run does not say which attempt it was.
            *self.move_refusals(
                "NEW.source", "NEW.target", "TRUE" if self.attempt is None else "FALSE"
            ),
        ]

        return [
            f"DROP TABLE IF EXISTS {taken};",
            f"CREATE TABLE {taken} (run PRIMARY KEY, source TEXT, target TEXT);",
            f"CREATE TRIGGER {self.called('replace')} AFTER INSERT ON {taken}\n"
            f"WHEN NEW.target IS NOT NULL BEGIN\n{self.refusing(refusals)}\nEND;",
        ]

    def undeclared(self) -> str:
        """
        Return the statement that fails if the table is declared with ``ON CONFLICT REPLACE``.
        """
        squeezed = "upper(sql)"
        for gap in ("' '", "char(9)", "char(10)", "char(13)", "'NOTNULLONCONFLICTREPLACE'"):
            squeezed = f"replace({squeezed}, {gap}, '')"

        return (
            f"INSERT INTO {self.called('taken')}\n    SELECT NULL, '', '' FROM sqlite_master\n"
            f"    WHERE type = 'table' AND lower(name) = {quoted(self.bare)}\n"
            f"    AND {squeezed} LIKE '%ONCONFLICTREPLACE%';"
        )

    def key_trigger(self) -> str:
        """
        Return the trigger for an insert whose key exists already.
        """
        taken, key, status = (
            self.called("taken"),
            *(f"{self.table}.{c}" for c in (self.key, self.status)),
        )
        there = (
            f"FROM {self.table} WHERE {key} = NEW.{self.key}"
            f" AND {self.exactly(status)} IS NOT NEW.{self.status}"
        )
        line = f"    INSERT OR IGNORE INTO {taken} SELECT {key}"

        return (
            f"CREATE TRIGGER {self.called('key')} BEFORE INSERT ON {self.table}\n"
            f"WHEN EXISTS (SELECT 1 {there}) BEGIN\n"
            f"{line}, NULL, NULL {there};\n"
            f"{line}, {status}, NEW.{self.status} {there};\n"
            f"    DELETE FROM {taken};\nEND;"
        )

    def looked_over(self) -> str:
        """
        Return the statement that fails if an existing row breaks the rules; it changes no row.
        """
        wrong = " OR\n    ".join(
            f"({condition})" for condition, _ in self.row_refusals(f"{self.table}.")
        )

        return f"UPDATE {self.table} SET {self.status} = {self.status} WHERE\n    {wrong};"
