"""
Lifecycles from files: TOML or JSON, with errors that name the place.

The keys are the attributes of :class:`Lifecycle`, and what the JSON picture of a
lifecycle prints can be read back. A definition is data: it names no code, opens no
file and expands nothing.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticCustomError, from_json

from ..errors import DefinitionError
from ._named import IN_CODE, preset_files
from ._rows import Deadline, Deviation, Entry, Evidence, Outcome, Transition
from ._shape import Shape
from ._table import Lifecycle
from ._variants import changed, dropped, not_in, renamed

__all__ = [
    "Strict", "content_of", "definition_schema", "first_fault", "lifecycle_from", "load_lifecycle", "parsed",
    "preset",
]  # fmt: skip

LARGEST_DEFINITION: Final = 1 << 20
"""Bytes of a definition that are read; the largest known lifecycle takes a fiftieth."""
MOST_DOTS: Final = 40
"""Dots in one line of TOML: what a key of n parts takes to parse grows with n squared."""

_BOM: Final = b"\xef\xbb\xbf"

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
"""One name or several; a tuple once it is read."""


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
"""One path, or a list of alternatives, each a path or several; tuples of tuples once it is read."""


class Strict(BaseModel):
    """
    A part of a definition; a key that it does not have is refused.
    """

    model_config = ConfigDict(extra="forbid", defer_build=True)


class _Described(Strict):
    """
    A part whose keys are explained in the JSON Schema.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)


class _Row(_Described):
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
    """Where that can be read."""
    reopens: bool = False
    """Whether the row leads out of a terminal status, into the next attempt."""
    clears: Names = ()
    """Fields that a row which reopens sets to null."""
    when: _Several = ()
    """Conditions that must all hold for the row to fire."""
    unless: _Several = ()
    """Conditions none of which may hold for the row to fire."""


class _Entry(_Described):
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


class _Deadline(_Described):
    """The field that says when a run expires."""

    field: str
    """The field."""
    seconds: Seconds
    """How long after its creation a run expires."""
    longest: Seconds
    """The longest that any service grants, in seconds."""


class _Deviation(_Described):
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
    """Where that can be read."""


class _Shape(_Described):
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


class _Drop(_Described):
    """What a variant leaves out of its base."""

    statuses: Names = ()
    """Statuses, with the rows from and to them."""
    triggers: Names = ()
    """Triggers, with all their rows."""
    rows: tuple[tuple[str, str], ...] = ()
    """Rows, each as its trigger and its source."""


class _Variant(_Described):
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
    """Where records keep the facts about a run; the first that fits a record is used."""
    observed: Any = None
    """Counts that a picture was drawn with: about runs, not about the lifecycle."""
    schema_: Annotated[Any, Field(alias="$schema")] = None
    """The JSON Schema of this file, for editors."""


class _Definition(_Variant):
    """A lifecycle of its own, which is all there."""

    initial: _Several
    terminal: dict[str, Outcome] | Names
    transitions: tuple[_Row, ...]


def definition_schema() -> dict[str, Any]:
    """
    Return the JSON Schema (draft 2020-12) of definition files, for editors to complete and check.

    What the schema cannot say, above all that the table contradicts itself, is found by
    :func:`load_lifecycle`.
    """
    schema = _Variant.model_json_schema()

    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **schema,
        "title": "runstate lifecycle",
        "anyOf": [{"required": ["base"]}, {"required": ["initial", "terminal", "transitions"]}],
        "dependentRequired": {"drop": ["base"], "rename": ["base"]},
    }


def load_lifecycle(path: str | Path) -> Lifecycle:
    """
    Return the lifecycle that the TOML or JSON file at *path* defines.

    Args:
        path: A file of at most 1 MiB whose name ends in ``.toml`` or ``.json``.

    Raises:
        DefinitionError: It cannot be opened or parsed, or a key is missing, unknown or
            malformed; the error names the line or the key.
        LifecycleError: It can be read, and the table contradicts itself.
    """
    path = Path(path)
    if path.suffix.lower() not in {".toml", ".json"}:
        raise DefinitionError(str(path), "", "a lifecycle file ends in .toml or .json")

    return lifecycle_from(parsed(content_of(path), path), str(path))


@cache
def preset(name: str) -> Lifecycle:
    """
    Return the lifecycle called *name* that comes with the package; its file is read once.

    Raises:
        KeyError: There is none of that name.
    """
    return IN_CODE[name] if name in IN_CODE else load_lifecycle(preset_files()[name])


def content_of(path: Path) -> bytes:
    """
    Return the bytes of a definition, without a mark of their order.

    Raises:
        DefinitionError: It cannot be opened, or is larger than 1 MiB.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_DEFINITION + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DefinitionError(str(path), "", reason) from None
    if len(content) > LARGEST_DEFINITION:
        raise DefinitionError(str(path), "", f"is larger than {LARGEST_DEFINITION} bytes")

    return content.removeprefix(_BOM)


def lifecycle_from(data: Any, origin: str = "<definition>") -> Lifecycle:
    """
    Return the lifecycle that *data* defines, by the keys of a definition file.

    Raises:
        DefinitionError: A key is missing, unknown or malformed, or the base is not a preset.
        LifecycleError: The table contradicts itself.
    """
    varies = isinstance(data, Mapping) and "base" in data
    try:
        definition = (_Variant if varies else _Definition).model_validate(data)
    except ValidationError as error:
        place, reason = first_fault(error)
    else:
        return _variant(definition, origin) if varies else _built(definition, origin)
    raise DefinitionError(origin, place, reason)


def _variant(definition: _Variant, origin: str) -> Lifecycle:
    try:
        base = preset(definition.base)
    except KeyError:
        reason = f"expected the name of a preset, got {definition.base!r}; see runstate lifecycles"
        raise DefinitionError(origin, "base", reason) from None
    drop = definition.drop
    values: dict[str, Any] = {key: getattr(base, key) for key in base.__dataclass_fields__}
    for place, parts in (
        ("drop", (drop.statuses, drop.triggers, drop.rows)),
        ("rename", (definition.rename, (), ())),
    ):
        for unknown in not_in(values, *parts):
            raise DefinitionError(origin, place, f"{base.name} has {unknown}")
    values = renamed(dropped(values, drop.statuses, drop.triggers, drop.rows), definition.rename)

    return Lifecycle(**changed(values, _own(definition)))


def parsed(content: bytes, path: Path) -> Any:
    """
    Return what *content* holds: TOML where the name of *path* ends so, JSON otherwise.

    Raises:
        DefinitionError: It does not parse, has a key twice, or would take too long.
    """
    origin, toml = str(path), path.suffix.lower() == ".toml"
    try:
        if not toml:
            # Read twice: the first refuses what would exhaust the stack of the second,
            # and the second sees a key that is there twice.
            from_json(content, allow_inf_nan=False)
            return json.loads(content, object_pairs_hook=_each_once)
        _refuse_long_keys(content, origin)
        import tomllib  # noqa: PLC0415  few programs read a definition

        return tomllib.loads(content.decode("utf-8"))
    except DefinitionError:
        raise
    except (ValueError, RecursionError) as error:
        reason = str(error) or type(error).__name__
    raise DefinitionError(origin, "", f"is no {'TOML' if toml else 'JSON'}: {reason}")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for key, value in pairs:
        if key in keys:
            raise ValueError(f"the key {key!r} is there twice")
        keys[key] = value

    return keys


def _refuse_long_keys(content: bytes, origin: str) -> None:
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.count(b".") > MOST_DOTS:
            raise DefinitionError(origin, f"line {number}", f"has more than {MOST_DOTS} dots")


def _built(definition: _Variant, origin: str) -> Lifecycle:
    for place in sorted({"drop", "rename"} & definition.model_fields_set):
        raise DefinitionError(origin, place, "is for a lifecycle with a base")

    return Lifecycle(**_own(definition))


def _own(definition: _Variant) -> dict[str, Any]:
    """
    Return the arguments of a lifecycle that *definition* sets.
    """
    terminal, deadline = definition.terminal, definition.deadline
    read = {
        "terminal": terminal if isinstance(terminal, dict) else dict.fromkeys(terminal, "success"),
        "transitions": tuple(Transition(**row.model_dump()) for row in definition.transitions),
        "entries": tuple(Entry(**entry.model_dump()) for entry in definition.entries),
        "shapes": tuple(Shape(**shape.model_dump()) for shape in definition.shapes),
        "deviations": tuple(map(_deviation, definition.deviations)),
        "deadline": None if deadline is None else Deadline(**deadline.model_dump()),
        "fields": None if definition.fields is None else frozenset(definition.fields),
    }
    keys = definition.model_fields_set - {"base", "drop", "rename", "observed", "schema_"}

    return {key: read[key] if key in read else getattr(definition, key) for key in keys}


def _deviation(deviation: _Deviation) -> Deviation:
    statuses = deviation.statuses

    return Deviation(
        **{
            **deviation.model_dump(),
            "statuses": None if statuses is None else frozenset(statuses),
        }
    )


def first_fault(error: ValidationError) -> tuple[str, str]:
    """
    Return the place and the reason of the first fault; of a union, what came closest.
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
