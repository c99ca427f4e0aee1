"""Jobs of one op on one target, beside the assets.

Belongs here: what such a job is, and making Dagster's from it. Does not: what it does.
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
        work: What the op does: `work(context, line)`, or `work(context, line, config)`. The op has its name, and op and
            job its docstring as description.
        config: The fields of the launchpad.
    """

    name: str
    work: Callable[..., Any]
    config: type[dg.Config] | None = None

    def of(self, pipeline: Pipeline) -> dg.JobDefinition:
        """Return Dagster's job in a project."""
        description = inspect.getdoc(self.work)

        @dg.op(
            name=pipeline.named(self.work.__name__),
            description=description,
            required_resource_keys={pipeline.resource_key},
            config_schema=self.config.to_config_schema() if self.config else None,  # type: ignore[arg-type]
            out={} if inspect.isgeneratorfunction(self.work) else None,
        )
        def ask(context: dg.OpExecutionContext):  # type: ignore[no-untyped-def]  # noqa: ANN202 -- Dagster reads it
            config = [self.config(**context.op_config)] if self.config else []
            return self.work(context, getattr(context.resources, pipeline.resource_key), *config)

        @dg.job(
            name=pipeline.named(self.name),
            partitions_def=pipeline.partitions,
            executor_def=dg.in_process_executor,
            description=description,
            tags=pipeline.tags,
        )
        def asked() -> None:
            ask()

        return asked
