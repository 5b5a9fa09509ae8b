"""
Status maps from TOML or JSON files.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from ..errors import DefinitionError
from ..interchange import load
from ..lifecycle._definition import content_of, parsed
from ..lifecycle._definition_schema import Described, first_fault
from ..lifecycle._rows import Evidence
from ..lifecycle._table import Lifecycle
from ..presets import PRESETS
from ._map import StatusMap
from ._map_rows import Becomes, Excepted

__all__ = ["load_map", "map_schema"]

_SEPARATORS: Final = ("/", "\\", "\0")


class _Becomes(Described):
    """What one status becomes."""

    status: str
    """A status of the source."""
    becomes: str | None = None
    """The status of the target that it becomes; left out if there is none, which is a loss."""
    evidence: Evidence = "inferred"
    """How the row is known."""
    citation: str = ""
    """The source of the evidence."""
    lost: str = ""
    """What the target cannot express, in words."""


class _Excepted(Described):
    """A legal move of the source that is not one of the target; a check reports it as a warning."""

    source: str | None = None
    """The status before; left out for the beginning of a run."""
    target: str
    """The status after."""
    why: str
    """Why it is known and accepted."""


class _Map(Described):
    """A map: for each status of one lifecycle, what it becomes in another."""

    name: str
    """Name of the map."""
    source: str
    """The lifecycle of the records: a preset, or a file in the same folder."""
    target: str
    """The lifecycle that they are judged by: a preset, or a file in the same folder."""
    rows: tuple[_Becomes, ...]
    """What each status of the source becomes, one row a status."""
    exceptions: tuple[_Excepted, ...] = ()
    """Legal moves of the source that the target does not have."""
    observed: Literal["complete", "polled"] = "complete"
    """What a mapped history shows: every move, or the statuses of polls."""
    schema_: Annotated[Any, Field(alias="$schema")] = None
    """The JSON Schema of this file, for editors."""


def map_schema() -> dict[str, Any]:
    """
    Return the JSON Schema (draft 2020-12) of map files, for editors to complete and check.

    What the schema cannot say, such as a status that one of the lifecycles lacks, is found by
    :func:`load_map`.
    """
    schema = _Map.model_json_schema()

    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "runstate map"}


def load_map(path: str | Path) -> StatusMap:
    """
    Load the status map that the TOML or JSON file at *path* defines.

    Its keys are the attributes of :class:`StatusMap`. ``source`` and ``target`` name a
    preset or a lifecycle file in the same folder.

    Args:
        path: A file whose name ends in ``.toml`` or ``.json``.

    Raises:
        DefinitionError: The file cannot be opened or parsed; a key is missing, unknown or
            malformed; or a lifecycle does not exist.
        LifecycleError: The table of a lifecycle in the same folder is inconsistent.
        StatusMapError: The map fails its check.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> content = '''
        ... name = "message-to-response"
        ... source = "openai-message"
        ... target = "openai-response"
        ... rows = [
        ...     { status = "in_progress", becomes = "in_progress" },
        ...     { status = "completed", becomes = "completed" },
        ...     { status = "incomplete", becomes = "incomplete" },
        ... ]
        ... '''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "mine.toml")
        ...     _ = path.write_text(content)
        ...     mine = load_map(path)
        >>> mine.statuses
        {'in_progress': 'in_progress', 'completed': 'completed', 'incomplete': 'incomplete'}
    """
    path = Path(path)
    origin = str(path)
    if path.suffix.lower() not in {".toml", ".json"}:
        raise DefinitionError(origin, "", "expected a file name that ends in .toml or .json")
    data = parsed(content_of(path), path)
    try:
        definition = _Map.model_validate(data)
    except ValidationError as error:
        place, reason = first_fault(error)
    else:
        return _built(definition, path)
    raise DefinitionError(origin, place, reason)


def _built(definition: _Map, path: Path) -> StatusMap:
    parts: dict[str, Any] = {
        "rows": tuple(Becomes(**row.model_dump()) for row in definition.rows),
        "exceptions": tuple(Excepted(**each.model_dump()) for each in definition.exceptions),
    }

    return StatusMap(
        name=definition.name,
        source=_lifecycle(definition.source, "source", path),
        target=_lifecycle(definition.target, "target", path),
        observed=definition.observed,
        **parts,
    )


def _lifecycle(name: str, place: str, path: Path) -> Lifecycle:
    if name in PRESETS:
        return PRESETS[name]
    if "." not in name or any(separator in name for separator in _SEPARATORS):
        reason = f"expected a preset or a lifecycle file in the same folder, got '{name}'"
        raise DefinitionError(str(path), place, reason)

    return load(path.parent / name)
