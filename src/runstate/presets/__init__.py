"""
The lifecycles that come with the package, by name. One TOML file defines each.

A file is read when its lifecycle is asked for. What no source states is inferred, and its row says
so. Where sources disagree, there are two lifecycles: the plain one allows what each source allows, and
the one called ``strict``, or after a version, what one of them does. ``only()`` returns the rows of
one kind of evidence.

Where a system creates runs in several statuses, the one that its pages name first is the
default of ``create``.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ..lifecycle._definition import preset
from ..lifecycle._preset_files import IN_CODE, preset_files
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN

__all__ = ["PRESETS", "RUN", "RUN_DOCUMENTED"]

RUN_DOCUMENTED: Final = RUN.only("documented")
"""The strict subset of :data:`RUN`: the rows that its owner documents, and no others."""
IN_CODE[RUN_DOCUMENTED.name] = RUN_DOCUMENTED


class _Presets(Mapping[str, Lifecycle]):
    """
    Lifecycles by name, each read when it is asked for.
    """

    def __init__(self) -> None:
        self._names = (*IN_CODE, *preset_files())

    def __getitem__(self, name: str) -> Lifecycle:
        return preset(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


PRESETS: Final[Mapping[str, Lifecycle]] = _Presets()
"""Every lifecycle by its name."""
