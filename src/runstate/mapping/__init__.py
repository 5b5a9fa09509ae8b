"""
Between the vocabularies of others: what a status becomes, and what is lost.

A :class:`StatusMap` lets a history that was observed in one lifecycle be checked in
another: that of LangGraph as OpenAI's, say. It is a table with evidence on its rows, and
refuses itself where a legal move would silently become an illegal one, or a loss would
go without a word.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from . import _agents, _events, _orchestrators
from ._files import load_map
from ._map import StatusMap
from ._mapped import MapMonitor
from ._rows import Becomes, Excepted

__all__ = ["MAPS", "Becomes", "Excepted", "MapMonitor", "StatusMap", "load_map"]

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
"""Every map that comes with the package, by its name."""
