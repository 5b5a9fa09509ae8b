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
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from ..errors import DefinitionError
from ._preset_files import IN_CODE, preset_files
from ._rows import Deadline, Deviation, Entry, Transition
from ._shape import Shape
from ._table import Lifecycle
from ._variants import changed, dropped, not_in, renamed

__all__ = [
    "content_of", "lifecycle_from", "load_lifecycle", "parsed", "preset",
]  # fmt: skip

LARGEST_DEFINITION: Final = 1 << 20
"""The largest definition that is read, in bytes; the largest known one has a fiftieth of that."""
MOST_DOTS: Final = 40
"""The most dots in a line of TOML: the time to parse a key of n parts grows with n squared."""

_BOM: Final = b"\xef\xbb\xbf"


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
    Return the preset *name*. Its file is read once.

    Raises:
        KeyError: There is none of that name.
    """
    return IN_CODE[name] if name in IN_CODE else load_lifecycle(preset_files()[name])


def content_of(path: Path) -> bytes:
    """
    Return the bytes of a definition, without a byte order mark.

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


def lifecycle_from(data: Any, origin: str) -> Lifecycle:
    """
    Return the lifecycle that *data* defines, by the keys of a definition file.

    Args:
        data: What the file holds, parsed.
        origin: The name of the file, for errors.

    Raises:
        DefinitionError: A key is missing, unknown or malformed, or the base is not a preset.
        LifecycleError: The table contradicts itself.
    """
    from ._definition_schema import Definition, Variant, first_fault  # noqa: PLC0415  see there

    varies = isinstance(data, Mapping) and "base" in data
    try:
        definition = (Variant if varies else Definition).model_validate(data)
    except ValidationError as error:
        place, reason = first_fault(error)
    else:
        return _variant(definition, origin) if varies else _built(definition, origin)
    raise DefinitionError(origin, place, reason)


def _variant(definition: Any, origin: str) -> Lifecycle:
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
    Return *content* parsed: as TOML if the suffix of *path* is ``.toml``, else as JSON.

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
    raise DefinitionError(origin, "", f"invalid {'TOML' if toml else 'JSON'}: {reason}")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for key, value in pairs:
        if key in keys:
            raise ValueError(f"the key {key!r} is repeated")
        keys[key] = value

    return keys


def _refuse_long_keys(content: bytes, origin: str) -> None:
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.count(b".") > MOST_DOTS:
            raise DefinitionError(origin, f"line {number}", f"has more than {MOST_DOTS} dots")


def _built(definition: Any, origin: str) -> Lifecycle:
    for place in sorted({"drop", "rename"} & definition.model_fields_set):
        raise DefinitionError(origin, place, "is for a lifecycle with a base")

    return Lifecycle(**_own(definition))


def _own(definition: Any) -> dict[str, Any]:
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


def _deviation(deviation: Any) -> Deviation:
    statuses = deviation.statuses

    return Deviation(
        **{
            **deviation.model_dump(),
            "statuses": None if statuses is None else frozenset(statuses),
        }
    )
