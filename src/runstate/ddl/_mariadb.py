"""
The guard for MariaDB: triggers, in SQL that MySQL 8 understands too.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from .._text import printable
from ._guard import Named, quoted
from ._refusals import Refusal, Refusals

__all__ = ["MariaDB"]

_LONGEST_MESSAGE: Final = 128
"""MySQL takes no longer one."""
_UNSAFE: Final = re.compile(r"[^ -~]|[\\%]|:\w")
"""What the session's modes, a driver or SQLAlchemy would read as something else than a text."""


class _Trigger(NamedTuple):
    """
    When a trigger fires, and its body.
    """

    timing: str
    event: str
    body: str


class MariaDB(Refusals):
    """
    Triggers only: a check constraint does not see what a row was.

    They look at a row once it is written, so that no other trigger can change it behind them;
    the error undoes the statement. A ``REPLACE`` fires the triggers for the insert and for the
    deletion, and not for the update that it is. So the deletion of the key that is being
    inserted is noted in a variable of the session, and the insert is judged as a move from there.
    """

    dialect = "mariadb"
    mark = "`"

    def literal(self, text: str) -> str:
        """
        Return *text* as a literal that is right whatever the character set and the SQL mode.
        """
        if _UNSAFE.search(text):
            return f"X'{''.join((text,)).encode().hex().upper()}'"

        return quoted(text)

    def exactly(self, status: str) -> str:
        """
        Return *status* as text, compared byte by byte whatever the column's collation.
        """
        return f"CAST(CONVERT({status} USING utf8mb4) AS BINARY)"

    def differ(self, one: str, other: str) -> str:
        """
        Return the condition that two values differ, of which each may be NULL.
        """
        return f"NOT (CAST({one} AS BINARY) <=> CAST({other} AS BINARY))"

    def said(self, message: str) -> str:
        """
        Return *message*, cut to what MySQL takes; with dots that need no character set.
        """
        return printable(message, _LONGEST_MESSAGE - 2).replace("…", "...")

    def blocks(self) -> list[list[str]]:
        """
        Return every statement.
        """
        made = [
            # MariaDB replaces in one step, and MySQL, which reads the one comment and not the other,
            # drops first.
            [
                f"/*!80000 DROP TRIGGER IF EXISTS {self.called(what)} */ /*M! DO 0 */;",
                f"CREATE /*M! OR REPLACE */ TRIGGER {self.called(what)}"
                f" {trigger.timing} {trigger.event} ON {self.table} FOR EACH ROW\n{trigger.body};",
            ]
            for what, trigger in self.triggers().items()
        ]

        return [*made, [self.looked_over()]]

    def script(self) -> str:
        """
        Return every statement for the command-line client, which is told where each ends.
        """
        blocks = [
            "\n".join(f"{statement.removesuffix(';')}\n$$" for statement in block)
            for block in self.blocks()
        ]

        return "\n\n".join([self.header(), "DELIMITER $$", *blocks, "DELIMITER ;"]) + "\n"

    def inspect(self, cursor: Any) -> dict[Named, tuple[Any, Any]]:
        """
        Return each trigger with its expected and its found timing, event and body.
        """
        expected = {self.name(what): tuple(made) for what, made in self.triggers().items()}
        names = ", ".join(map(quoted, expected))
        cursor.execute(
            "SELECT trigger_name, action_timing, event_manipulation, action_statement"
            " FROM information_schema.triggers WHERE trigger_schema = database()"
            f" AND event_object_table = {quoted(self.bare)} AND trigger_name IN ({names})"
        )
        found = {name: tuple(rest) for name, *rest in cursor.fetchall()}

        return {("trigger", name): (made, found.get(name)) for name, made in expected.items()}

    def triggers(self) -> dict[str, _Trigger]:
        """
        Return every trigger by what its name ends in.
        """
        key, was = (f"@{self.called(what)}" for what in ("inserted", "was"))
        # What replaces a run does not say which attempt it was.
        raised = "TRUE" if self.attempt is None else "FALSE"
        replaced = self.move_refusals(was, f"NEW.{self.status}", raised)
        noted = f"SET {was} = IF(OLD.{self.key} = {key}, OLD.{self.status}, {was})"

        return {
            "key": _Trigger("BEFORE", "INSERT", f"SET {key} = NEW.{self.key}, {was} = NULL"),
            "replace": _Trigger("BEFORE", "DELETE", noted),
            "insert": _Trigger(
                "AFTER", "INSERT", self.refusing([*self.insert_refusals(), *replaced])
            ),
            "update": _Trigger("AFTER", "UPDATE", self.refusing(self.update_refusals())),
        }

    def refusing(self, refusals: Iterable[Refusal]) -> str:
        """
        Return the body that raises the first of *refusals* that holds.
        """
        # 4025 is the number of a violated constraint, which Django and the clients know.
        return (
            "BEGIN\n"
            f"    DECLARE refusal VARCHAR({_LONGEST_MESSAGE}) CHARACTER SET utf8mb4 DEFAULT CASE\n"
            f"{self.cases(refusals, '{}')}\n"
            "    END;\n"
            "    IF refusal IS NOT NULL THEN\n"
            "        SIGNAL SQLSTATE '23514' SET MESSAGE_TEXT = refusal, MYSQL_ERRNO = 4025;\n"
            "    END IF;\n"
            "END"
        )

    def looked_over(self) -> str:
        """
        Return the statement that fails if an existing row breaks the rules; it changes no row.
        """
        wrong = " OR\n    ".join(
            f"({condition})" for condition, _ in self.row_refusals(f"{self.table}.")
        )

        return f"UPDATE {self.table} SET {self.status} = {self.status} WHERE\n    {wrong};"
