"""
The guard for PostgreSQL: check constraints, and triggers that only refuse.
"""

from typing import Any, Final

from ._guard import Guard, Named, quoted

__all__ = ["PostgreSQL"]

_UNSEEN: Final = r"E'[\\u0001-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]'"
"""Control and invisible characters, as a regular expression of PostgreSQL."""


class PostgreSQL(Guard):
    """
    Check constraints, and a trigger whose condition is the lifecycle and whose function refuses.

    A legal update therefore calls no function. PostgreSQL binds the operators of the condition when
    it creates the trigger, so that a search path cannot change their meaning.
    """

    dialect = "postgresql"
    parts = 2

    def literal(self, text: str) -> str:
        """
        Return *text* as a literal that is right under every setting of standard_conforming_strings.
        """
        plain = quoted(text)

        return "E" + plain.replace("\\", "\\\\") if "\\" in plain else plain

    def exactly(self, row: str = "") -> str:
        """
        Return the status as text, compared byte by byte whatever the column's type.
        """
        return f'({row}{self.status}::text COLLATE "C")'

    def blocks(self) -> list[list[str]]:
        """
        Return every statement.
        """
        # Before, since a row that moves to another partition is not updated; and after,
        # since another trigger may have changed the row once this one had seen it.
        triggers = [[self.trigger(when)] for when in ("before", "after")]

        return [[self.checks()], [self.function()], *triggers]

    def inspect(self, cursor: Any) -> dict[Named, tuple[Any, Any]]:
        """
        Return each constraint, trigger and function as expected and as found.

        PostgreSQL rewrites conditions when it stores them. The expected text is therefore read
        from the same guard on a temporary table with the same columns, which is then dropped.
        """
        # Once the temporary table is there, its name hides the other's.
        found = self.made(cursor)
        copy = self.on_temporary_table()
        # One string is one transaction, whatever the connection's mode: nothing is half made.
        like = f"CREATE TEMPORARY TABLE {copy.table} (LIKE {self.table});"
        cursor.execute(f"{like}\n{copy.script()}")
        expected = copy.made(cursor)
        cursor.execute(f"DROP TABLE {copy.table}; DROP FUNCTION {copy.function_name()}();")

        # A constraint of an older guard that this one does without is a part as well.
        return {named: (expected.get(named), found.get(named)) for named in {**expected, **found}}

    def on_temporary_table(self) -> "PostgreSQL":
        """
        Return the same guard for a temporary table of the same name.
        """
        return PostgreSQL(
            self.lifecycle,
            f"pg_temp.{self.bare}",
            *self.names,
            tuple(self.fields),
            None if self.attempt is None else self.attempt.strip('"'),
        )

    def made(self, cursor: Any) -> dict[Named, Any]:
        """
        Return the parts of this guard that the database has, in its own spelling.
        """
        table = f"{quoted(self.table)}::regclass"
        function = f"to_regprocedure({quoted(self.function_name() + '()')})"
        checks = ", ".join(quoted(self.name(what)) for what in ("known", "fields"))
        triggers = ", ".join(quoted(self.name(when)) for when in ("before", "after"))
        cursor.execute(
            f"SELECT 'constraint', conname, pg_get_constraintdef(oid), '', '' FROM pg_constraint"
            f" WHERE conrelid = {table} AND conname IN ({checks})"
            f" UNION ALL SELECT 'trigger', tgname,"
            # What is around the condition names the table and the function with their schemas.
            f" regexp_replace(pg_get_triggerdef(oid),"
            f" '^.*? FOR EACH ROW (.*) EXECUTE FUNCTION .*$', '\\1'),"
            f" concat(tgtype, tgenabled, tgattr), coalesce(tgfoid = {function}, FALSE)::text"
            f" FROM pg_trigger WHERE tgrelid = {table} AND tgname IN ({triggers})"
            f" UNION ALL SELECT 'function', proname, prosrc, '', '' FROM pg_proc"
            f" WHERE oid = {function}"
        )

        return {(kind, name): tuple(rest) for kind, name, *rest in cursor.fetchall()}

    def checks(self) -> str:
        """
        Return the statement that adds the check constraints.
        """
        known, tied = self.called("known"), self.called("fields")
        statuses = self.listed(self.lifecycle.statuses)
        actions = [
            f"DROP CONSTRAINT IF EXISTS {known}",
            f"DROP CONSTRAINT IF EXISTS {tied}",
            f"ADD CONSTRAINT {known} CHECK (\n"
            f"        {self.status} IS NOT NULL AND {self.exactly()} IN {statuses}\n    )",
        ]
        cases = [
            f"        WHEN {self.literal(status)} THEN "
            + " AND ".join(
                [f"{self.fields[name]} IS NOT NULL" for name in needed]
                + [f"{self.fields[name]} IS NULL" for name in excluded]
            )
            for status, needed, excluded in self.ties()
        ]
        if cases:
            lines = "\n".join(cases)
            actions.append(
                f"ADD CONSTRAINT {tied} CHECK (\n        CASE {self.exactly()}\n{lines}\n"
                "        ELSE TRUE END\n    )"
            )

        return f"ALTER TABLE {self.table}\n    " + ",\n    ".join(actions) + ";"

    def function(self) -> str:
        """
        Return the function that refuses, with the same messages as the engine.
        """
        body = f"""
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        SCHEMA = TG_TABLE_SCHEMA,
        TABLE = TG_TABLE_NAME,
        COLUMN = {quoted(self.names[0])},
        CONSTRAINT = {quoted(self.name("moves"))},
        MESSAGE = regexp_replace(
            concat(
                'run ''', left(OLD.{self.key}::text, 200), ''' is ', OLD.{self.status},
                ': cannot become ',
                CASE
                    WHEN NEW.{self.key} IS DISTINCT FROM OLD.{self.key}
                    THEN concat('run ''', left(NEW.{self.key}::text, 200), '''')
                    ELSE coalesce(left(NEW.{self.status}::text, 200), 'NULL')
                END
            ) COLLATE "C",
            {_UNSEEN}, '?', 'g'
        );
END
"""
        return (
            f"CREATE OR REPLACE FUNCTION {self.function_name()}() RETURNS trigger\n"
            f"LANGUAGE plpgsql AS $BODY${body}$BODY$;"
        )

    def function_name(self) -> str:
        """
        Return the function's name, in the table's schema.
        """
        schema, dot, _ = self.table.rpartition(".")

        return f"{schema}{dot}{self.called('refuse')}"

    def legal(self, source: str, new: str) -> str:
        """
        Return the condition that a row in *source* may become the status *new*.
        """
        targets, reopened = self.lifecycle.targets(source), self.reopened(source)
        ways = [f"{new} IN {self.listed(targets)}"] if targets else []
        if reopened:
            ways.append(f"({new} IN {self.listed(reopened)} AND {self.raised('OLD.', 'NEW.')})")

        return " OR ".join(ways) or "FALSE"

    def trigger(self, when: str) -> str:
        """
        Return the trigger for each update; *when* is ``before`` or ``after``.
        """
        name = self.called(when)
        old, new = self.exactly("OLD."), self.exactly("NEW.")
        cases = "\n".join(
            f"        WHEN {self.literal(source)} THEN {self.legal(source, new)}"
            for source in self.lifecycle.statuses
        )

        return (
            f"CREATE OR REPLACE TRIGGER {name} {when.upper()} UPDATE ON {self.table} FOR EACH ROW\n"
            f"WHEN (\n    NEW.{self.key} IS DISTINCT FROM OLD.{self.key}\n"
            f"    OR ({new} IS DISTINCT FROM {old} AND CASE {old}\n{cases}\n"
            f"    END IS NOT TRUE)\n)\n"
            f"EXECUTE FUNCTION {self.function_name()}();"
        )
