"""
Maps from the statuses of one lifecycle to those of another, with every loss declared.

A :class:`StatusMap` checks a history of one lifecycle by the rules of another, for example
LangGraph's by those of OpenAI. It is a table with evidence on its rows. A map is refused
when it is made if a legal move becomes an illegal one, or if a loss is not declared.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from . import _agents, _events, _orchestrators
from ._map import StatusMap
from ._map_files import load_map
from ._map_rows import Becomes, Excepted
from ._mapped import MapMonitor, Mapper

__all__ = ["MAPS", "Becomes", "Excepted", "MapMonitor", "Mapper", "StatusMap", "load_map"]

MAPS: Final[Mapping[str, StatusMap]] = MappingProxyType(
    {
        each.name: each
        for each in (
            _agents.LANGGRAPH_RUN_TO_RUN,
            _agents.AZURE_RUN_TO_RUN,
            _agents.RESPONSE_TO_RUN,
            _agents.A2A_TASK_TO_RUN,
            _orchestrators.PREFECT_FLOW_RUN_TO_RUN,
            _orchestrators.DAGSTER_RUN_TO_RUN,
            _orchestrators.TEMPORAL_WORKFLOW_TO_RUN,
            _orchestrators.KUBERNETES_JOB_TO_RUN,
            _orchestrators.CELERY_TO_RUN,
            _agents.RUN_TO_LANGGRAPH_RUN,
            _agents.RUN_TO_A2A_TASK,
            _events.RUN_TO_OPENLINEAGE_RUN,
            _events.RUN_TO_CDEVENTS_PIPELINERUN,
        )
    }
)
"""Every map of the package, by name."""
