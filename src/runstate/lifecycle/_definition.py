"""
Lifecycles from files: TOML or JSON, with errors that name the place.

The keys are the attributes of :class:`Lifecycle`, and what the JSON picture of a
lifecycle prints can be read back. A definition is data: it names no code, opens no
file and expands nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError, from_json

from ..errors import DefinitionError
from ._rows import Deadline, Deviation, Entry, Evidence, Outcome, Transition
from ._table import Lifecycle

__all__ = [
    "Strict", "content_of", "first_fault", "lifecycle_from", "load_lifecycle", "parsed",
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


_Several = Annotated[Names, BeforeValidator(_listed)]
"""One status or several; a tuple once it is read."""


class Strict(BaseModel):
    """
    A part of a definition; a key that it does not have is refused.
    """

    model_config = ConfigDict(extra="forbid", defer_build=True)


class _Row(Strict):
    trigger: str
    source: _Several
    target: str
    evidence: Evidence = "documented"
    citation: str = ""
    reopens: bool = False
    clears: Names = ()
    when: _Several = ()
    unless: _Several = ()


class _Entry(Strict):
    status: str
    stamps: Names = ()
    requires: Names = ()
    accepts: Names = ()
    clears: Names = ()


class _Deadline(Strict):
    field: str
    seconds: Seconds
    longest: Seconds


class _Deviation(Strict):
    code: Annotated[str, Field(pattern=r"^RS\d{3}$")]
    field: str
    statuses: Names | None = None
    evidence: Evidence = "observed"
    citation: str = ""


class _Definition(Strict):
    name: str
    initial: _Several
    terminal: dict[str, Outcome] | Names
    transitions: tuple[_Row, ...]
    entries: tuple[_Entry, ...] = ()
    created: Names = ()
    deadline: _Deadline | None = None
    identity: Names = ()
    fields: Names | None = None
    deviations: tuple[_Deviation, ...] = ()
    status_field: str = "status"
    id_field: str = "id"
    kind: str | None = None
    attempt_field: str = "attempt"
    observed: Any = None
    """Counts, where a picture was drawn with some: about runs, not about the lifecycle."""


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


def lifecycle_from(data: Mapping[str, Any], origin: str = "<definition>") -> Lifecycle:
    """
    Return the lifecycle that *data* defines, by the keys of a definition file.

    Raises:
        DefinitionError: A key is missing, unknown or malformed.
        LifecycleError: The table contradicts itself.
    """
    try:
        definition = _Definition.model_validate(data)
    except ValidationError as error:
        place, reason = first_fault(error)
    else:
        return _built(definition)
    raise DefinitionError(origin, place, reason)


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


def _built(definition: _Definition) -> Lifecycle:
    terminal = definition.terminal
    values = definition.model_dump(
        exclude={"terminal", "transitions", "entries", "deviations", "observed"}
    )
    deadline = definition.deadline

    return Lifecycle(
        **{
            **values,
            "deadline": deadline and Deadline(**deadline.model_dump()),
            "fields": None if definition.fields is None else frozenset(definition.fields),
        },
        terminal=terminal if isinstance(terminal, dict) else dict.fromkeys(terminal, "success"),
        transitions=tuple(Transition(**row.model_dump()) for row in definition.transitions),
        entries=tuple(Entry(**entry.model_dump()) for entry in definition.entries),
        deviations=tuple(
            Deviation(
                **{
                    **deviation.model_dump(),
                    "statuses": None
                    if deviation.statuses is None
                    else frozenset(deviation.statuses),
                }
            )
            for deviation in definition.deviations
        ),
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
