"""Jobs of one op on one target.

Belongs here: `TargetJob`, and building its Dagster definition. Does not: the ops (`jobs.py`, `query_jobs.py`).
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dagster as dg

from getmore_assets.defs.pipeline import Pipeline


@dataclass(frozen=True)
class TargetJob:
    """A job of one op on one target.

    Attributes:
        name: The name of the job.
        work: The op's function: `work(context, getmore)`, or `work(context, getmore, config)`. The function's name is
            the op's name, and its docstring is the description of op and job.
        config: The fields of the launchpad.
    """

    name: str
    work: Callable[..., Any]
    config: type[dg.Config] | None = None

    def build(self, pipeline: Pipeline) -> dg.JobDefinition:
        """Return the job's definition."""
        description = inspect.getdoc(self.work)

        @dg.op(
            name=pipeline.named(self.work.__name__),
            description=description,
            required_resource_keys={pipeline.resource_key},
            config_schema=self.config.to_config_schema() if self.config else None,  # type: ignore[arg-type]
            out={} if inspect.isgeneratorfunction(self.work) else None,
        )
        def op(context: dg.OpExecutionContext):  # type: ignore[no-untyped-def]  # noqa: ANN202 -- Dagster reads it
            config = [self.config(**context.op_config)] if self.config else []
            return self.work(context, getattr(context.resources, pipeline.resource_key), *config)

        @dg.job(
            name=pipeline.named(self.name),
            partitions_def=pipeline.partitions,
            executor_def=dg.in_process_executor,
            description=description,
            tags=pipeline.tags,
        )
        def job() -> None:
            op()

        return job
