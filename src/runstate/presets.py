"""
The lifecycles that come with the package, by name.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ._lifecycle import Lifecycle
from ._run import RUN

__all__ = ["PRESETS", "RUN", "RUN_DOCUMENTED"]

RUN_DOCUMENTED: Final = RUN.only("documented")
"""The strict subset of :data:`RUN`: the rows that its owner documents, and no others."""

PRESETS: Final[Mapping[str, Lifecycle]] = MappingProxyType(
    {lifecycle.name: lifecycle for lifecycle in (RUN, RUN_DOCUMENTED)}
)
"""Every lifecycle by its name."""
