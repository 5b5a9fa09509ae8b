"""
Status maps from TOML or JSON files.
"""

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from ..errors import DefinitionError
from ..interchange import load
from ..lifecycle._definition import content_of, parsed
from ..lifecycle._definition_schema import Strict, first_fault
from ..lifecycle._rows import Evidence
from ..lifecycle._table import Lifecycle
from ..presets import PRESETS
from ._map import StatusMap
from ._map_rows import Becomes, Excepted

__all__ = ["load_map"]

_SEPARATORS: Final = ("/", "\\", "\0")


class _Becomes(Strict):
    status: str
    becomes: str | None = None
    evidence: Evidence = "inferred"
    citation: str = ""
    lost: str = ""


class _Excepted(Strict):
    source: str | None = None
    target: str
    why: str


class _Map(Strict):
    name: str
    source: str
    target: str
    rows: tuple[_Becomes, ...]
    exceptions: tuple[_Excepted, ...] = ()
    observed: Literal["complete", "polled"] = "complete"


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
