"""
The lifecycles that come with the package, by name: one module a family.

What a source does not state is inferred, and says so on its row. Where sources
disagree, there are two by name: the plain one allows what each of them allows, and the
one called ``strict``, or after a version, what one of them does. ``only()`` gives the
rows of a kind of evidence.

Where a system creates runs in several statuses, the one that its pages name first is the
default of ``create``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from . import agents, events, openai, orchestrators, platforms, queues

__all__ = ["PRESETS", "RUN", "RUN_DOCUMENTED"]

RUN_DOCUMENTED: Final = RUN.only("documented")
"""The strict subset of :data:`RUN`: the rows that its owner documents, and no others."""

PRESETS: Final[Mapping[str, Lifecycle]] = MappingProxyType(
    {
        lifecycle.name: lifecycle
        for lifecycle in (
            RUN,
            RUN_DOCUMENTED,
            openai.RUN_STEP,
            openai.MESSAGE,
            openai.BATCH,
            openai.RESPONSE,
            openai.VECTOR_STORE_FILE_BATCH,
            openai.FINE_TUNING_JOB,
            openai.FINE_TUNING_JOB_STRICT,
            agents.AZURE_RUN,
            agents.AZURE_RUN_DOTNET,
            agents.LANGGRAPH_RUN,
            agents.A2A_TASK,
            agents.A2A_TASK_0_3,
            orchestrators.PREFECT_FLOW_RUN,
            orchestrators.DAGSTER_RUN,
            orchestrators.AIRFLOW_TASK_INSTANCE,
            orchestrators.AIRFLOW_TASK_INSTANCE_3_0,
            platforms.TEMPORAL_WORKFLOW,
            platforms.TEMPORAL_WORKFLOW_STRICT,
            platforms.KUBERNETES_JOB,
            platforms.KUBERNETES_JOB_STRICT,
            queues.CELERY,
            queues.CELERY_STRICT,
            queues.RIVER_JOB,
            queues.OBAN_JOB,
            events.OPENLINEAGE_RUN,
            events.OPENLINEAGE_RUN_STRICT,
            events.CDEVENTS_PIPELINERUN,
        )
    }
)
"""Every lifecycle by its name."""
