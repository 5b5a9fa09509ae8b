"""
What the triggers of a guard refuse, and in which words, for databases that have no checks to add.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator

from ._guard import Guard, listing

__all__ = ["Refusal", "Refusals"]

Refusal = tuple[str, str]
"""A condition, and the error message where it holds."""


class Refusals(Guard):
    """
    The refusals of inserts, updates and moves; a subclass puts them into triggers.
    """

    @abstractmethod
    def exactly(self, status: str) -> str:
        """
        Return *status* as text, compared byte by byte whatever the column's collation.
        """

    @abstractmethod
    def differ(self, one: str, other: str) -> str:
        """
        Return the condition that two values differ, of which each may be NULL.
        """

    @abstractmethod
    def said(self, message: str) -> str:
        """
        Return *message* in the length that the database keeps.
        """

    def cases(self, refusals: Iterable[Refusal], result: str) -> str:
        """
        Return the branches of a ``CASE`` whose first that holds gives *result* of its message.

        *result* has braces where the message goes.
        """
        return "\n".join(
            f"        WHEN {condition}\n"
            f"        THEN {result.format(self.literal(self.said(message)))}"
            for condition, message in refusals
        )

    def row_refusals(self, row: str) -> Iterator[Refusal]:
        """
        Yield the refusals that depend on one row alone, which the trigger calls *row*.
        """
        status = f"{row}{self.status}"
        known = self.lifecycle.statuses
        yield (
            self.none_of(status, known),
            f"run has no such status (known: {listing(known)})",
        )
        for each, needed, excluded in self.ties():
            wrong = [f"{row}{self.fields[name]} IS NULL" for name in needed]
            wrong += [f"{row}{self.fields[name]} IS NOT NULL" for name in excluded]
            rules = {"needs": needed, "excludes": excluded}
            rule = " and ".join(
                f"{word} {listing(names)}" for word, names in rules.items() if names
            )
            yield (
                f"{self.exactly(status)} = {self.literal(each)} AND ({' OR '.join(wrong)})",
                f"run is {each}: that {rule}",
            )

    def insert_refusals(self) -> Iterator[Refusal]:
        """
        Yield the refusals of an insert.
        """
        # A REPLACE writes the default in place of NULL, and the key of the run would be unknown.
        yield f"NEW.{self.key} IS NULL", f"run has no {self.names[1]}"
        yield from self.row_refusals("NEW.")

    def update_refusals(self) -> Iterator[Refusal]:
        """
        Yield the refusals of an update.
        """
        yield self.differ(f"NEW.{self.key}", f"OLD.{self.key}"), f"run keeps its {self.names[1]}"
        raised = self.raised("OLD.", "NEW.")
        yield from self.move_refusals(f"OLD.{self.status}", f"NEW.{self.status}", raised)
        yield from self.row_refusals("NEW.")

    def move_refusals(self, source: str, target: str, raised: str) -> Iterator[Refusal]:
        """
        Yield the refusals of a move; *source* and *target* are the expressions of its statuses.

        Where the condition *raised* holds, rows that reopen are let through.
        """
        for status in self.lifecycle.statuses:
            targets, reopened = self.lifecycle.targets(status), self.reopened(status)
            allowed = listing(targets) or f"nothing, {status} is terminal"
            other = self.none_of(target, dict.fromkeys((status, *targets)))
            if reopened:
                allowed = listing(reopened) + ("" if self.attempt is None else " in a new attempt")
                widened = self.none_of(target, dict.fromkeys((status, *targets, *reopened)))
                other = f"CASE WHEN {raised} THEN {widened} ELSE {other} END"
            yield (
                f"{self.exactly(source)} = {self.literal(status)} AND {other}",
                f"run is {status}: cannot become that (allowed: {allowed})",
            )

    def none_of(self, status: str, statuses: Iterable[str]) -> str:
        """
        Return the condition that *status* is none of *statuses*, which includes NULL.
        """
        # IN would build its list anew for every row that a trigger looks at.
        legal = " ".join(f"WHEN {self.literal(each)} THEN 0" for each in statuses)

        return f"CASE {self.exactly(status)} {legal} ELSE 1 END"
