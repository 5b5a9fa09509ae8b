"""
The keys of a definition file, and what each may hold.

Building these models takes a tenth of the time in which the package is imported, so only what
reads a definition imports this module.
"""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticCustomError

from ._rows import Evidence, Outcome

__all__ = ["Definition", "Described", "Variant", "definition_schema", "first_fault"]

Seconds = Annotated[int, Field(gt=0, strict=True)]

Names = tuple[str, ...]


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple) or not value:
        raise PydanticCustomError("names", "Input should be a name or a list of names")

    return value


_Several = Annotated[
    Names,
    BeforeValidator(_listed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]
"""One name or several; read as a tuple."""


def _each_listed(value: Any) -> Any:
    return [*map(_listed, _listed(value))]


_Alternatives = Annotated[
    tuple[Names, ...],
    BeforeValidator(_each_listed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "array",
                    "items": {
                        "anyOf": [
                            {"type": "string"},
                            {"type": "array", "items": {"type": "string"}, "minItems": 1},
                        ]
                    },
                    "minItems": 1,
                },
            ]
        }
    ),
]
"""One path, or a list of alternatives, each of one path or several; read as tuples of tuples."""


class Described(BaseModel):
    """
    A part of a file; unknown keys are refused, and the JSON Schema explains the others.
    """

    model_config = ConfigDict(extra="forbid", defer_build=True, use_attribute_docstrings=True)


class _Row(Described):
    """A legal move."""

    trigger: str
    """What fires the row."""
    source: _Several
    """The status before; several, for a row each; or "*", for every status that is not terminal."""
    target: str
    """The status after."""
    evidence: Evidence = "documented"
    """How the row is known."""
    citation: str = ""
    """The source of the evidence."""
    reopens: bool = False
    """Whether the row leads out of a terminal status, into the next attempt."""
    clears: Names = ()
    """Fields that a row which reopens sets to null."""
    when: _Several = ()
    """Conditions that must all hold for the row to fire."""
    unless: _Several = ()
    """Conditions none of which may hold for the row to fire."""


class _Entry(Described):
    """What entering a status does to the fields."""

    status: str
    """The status."""
    stamps: Names = ()
    """Fields set to the time of the move, at every entry."""
    requires: Names = ()
    """Fields set from the payload, which must bring them."""
    accepts: Names = ()
    """Fields set from the payload, if it brings them."""
    clears: Names = ()
    """Fields set to null."""


class _Deadline(Described):
    """The field that says when a run expires."""

    field: str
    """The field."""
    seconds: Seconds
    """How long after its creation a run expires."""
    longest: Seconds
    """The longest that any service grants, in seconds."""


class _Deviation(Described):
    """What the table excludes and real services are known to do: its findings are warnings."""

    code: Annotated[str, Field(pattern=r"^RS\d{3}$")]
    """Code of the rule, such as RS202."""
    field: str
    """The field that it is about."""
    statuses: Names | None = None
    """The statuses that it is known in; left out for any."""
    evidence: Evidence = "observed"
    """How it is known."""
    citation: str = ""
    """The source of the evidence."""


class _Shape(Described):
    """Where a record keeps the facts about a run. A path is such as status.conditions[type=Complete].status."""

    records: _Several = ()
    """Where the records stand in a document: the path of a list, or alternatives; nodes.* for objects by id."""
    about: _Several = ()
    """What must hold for a record to have this shape: a path that is present, or "path = value"; | between values."""
    id: _Alternatives = ()
    """The path of the id, or alternatives; a list within the list is several paths, joined by "/"."""
    attempt: _Several = ()
    """The path of the number of the attempt, or alternatives."""
    status: _Several = ()
    """The path of the status, or several whose values are joined by "/"."""
    at: _Several = ()
    """The path of the time of the observation, or alternatives."""
    source: _Several = ()
    """The path of the status before, where a record is a move."""
    target: _Several = ()
    """The path of the status after, where a record is a move."""
    trigger: _Several = ()
    """The path of the trigger, or alternatives."""
    null: str | None = None
    """The status that a null, empty or missing one stands for."""
    words: dict[str, str] = {}
    """Other spellings, each with the status that it is; one that ends in * stands for all that begin so."""
    ignore_case: bool = False
    """Whether upper and lower case of statuses and words are the same."""
    text: _Several = ()
    """Texts that are taken apart, such as "msg = node {node} is {phase}"; each {name} is a key of the record then."""
    document: bool = False
    """Whether all records of a document are about one object, which needs no id."""
    attempt_lags: bool = False
    """Whether the attempt may still be the one before: only a larger number means something."""


class _Drop(Described):
    """What a variant leaves out of its base."""

    statuses: Names = ()
    """Statuses, with the rows from and to them."""
    triggers: Names = ()
    """Triggers, with all their rows."""
    rows: tuple[tuple[str, str], ...] = ()
    """Rows, each as its trigger and its source."""


class Variant(Described):
    """
    A lifecycle: a table of legal moves, with what each status does to the fields of a run.

    With a base, it is what it changes in another one: "drop" and "rename" come first, then rows,
    entries, terminal statuses and deviations are added, and every other key replaces the base's.
    """

    name: str
    """Name of the lifecycle."""
    base: str = ""
    """The preset that this lifecycle is a variant of."""
    drop: _Drop = _Drop()
    """What the variant leaves out of its base."""
    rename: dict[str, str] = {}
    """Statuses of the base, each with its other name."""
    initial: _Several = ()
    """The status that a run begins in, or several of which the first is the default."""
    terminal: dict[str, Outcome] | Names = ()
    """The statuses that a run ends in, each with its outcome; a list if all are successes; empty if it never ends."""
    transitions: tuple[_Row, ...] = ()
    """The legal moves."""
    entries: tuple[_Entry, ...] = ()
    """What entering a status does to the fields, at most one a status."""
    created: Names = ()
    """Stamps that are set once, when a run is created."""
    deadline: _Deadline | None = None
    """The field that says when a run expires."""
    identity: Names = ()
    """Fields that never change during a run."""
    fields: Names | None = None
    """Every field that a run has."""
    deviations: tuple[_Deviation, ...] = ()
    """What real services are known to do in spite of the table."""
    status_field: str = "status"
    """The field that holds the status."""
    id_field: str = "id"
    """The field that holds the id of a run."""
    kind: str | None = None
    """The value of the key "object" on the wire."""
    attempt_field: str = "attempt"
    """The field that counts the attempts, which a row that reopens raises."""
    shapes: tuple[_Shape, ...] = ()
    """Where records keep the facts about a run. The first shape that matches a record is used."""
    observed: Any = None
    """Counts that a picture was drawn with: about runs, not about the lifecycle."""
    schema_: Annotated[Any, Field(alias="$schema")] = None
    """The JSON Schema of this file, for editors."""


class Definition(Variant):
    """A definition without a base, which must be complete."""

    initial: _Several
    terminal: dict[str, Outcome] | Names
    transitions: tuple[_Row, ...]


def definition_schema() -> dict[str, Any]:
    """
    Return the JSON Schema (draft 2020-12) of definition files, for editors to complete and check.

    What the schema cannot say, above all that the table contradicts itself, is found by
    :func:`load_lifecycle`.
    """
    schema = Variant.model_json_schema()

    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **schema,
        "title": "runstate lifecycle",
        "anyOf": [{"required": ["base"]}, {"required": ["initial", "terminal", "transitions"]}],
        "dependentRequired": {"drop": ["base"], "rename": ["base"]},
    }


def first_fault(error: ValidationError) -> tuple[str, str]:
    """
    Return place and reason of the first fault; in a union, of the closest alternative.
    """
    every = error.errors(include_url=False, include_input=False)
    field = every[0]["loc"][:1]
    closest = max((e for e in every if e["loc"][:1] == field), key=lambda e: len(e["loc"]))
    reason = "must be a table" if closest["type"] == "model_type" else closest["msg"]

    return _place(closest["loc"]), reason


def _place(location: tuple[int | str, ...]) -> str:
    """
    Return ``transitions[2].source`` for ``("transitions", 2, "source")``.
    """
    place = ""
    for part in location:
        if isinstance(part, int):
            place += f"[{part}]"
        # Which member of the union was tried last says nothing about the file.
        elif not part.startswith(("dict[", "tuple[")):
            place += f".{part}" if place else part

    return place
