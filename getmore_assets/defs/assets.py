"""From the table of stages to Dagster's assets and checks.

Belongs here: the one place where an asset or a check of a stage becomes a definition. Does not: what they do
(`line.py`), or what they are (`table.py`).
"""

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

from getmore_assets.defs import pools
from getmore_assets.defs.asset_metadata import described, owners
from getmore_assets.defs.line import Line
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.stages import remembered
from getmore_assets.stages.checks import Check, Checked, Finding
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.table import CHECKS

TABLES = "tables"  # the key, after the prefix, of the IO manager that loads what a stage made
#: The metadata of a check that could not be evaluated: the exception.
RAISED = "raised"


def asset(pipeline: Pipeline, stage: Stage, condition: dg.AutomationCondition | None) -> dg.AssetsDefinition:
    """Return the asset of a stage."""
    schema = described(stage.columns, {name: column.kind for name, column in stage.columns.items()})

    @dg.asset(
        key=pipeline.key(stage.name),
        deps=[*(pipeline.key(name) for name in stage.reads), *pipeline.upstream.get(stage.name, ())],
        partitions_def=pipeline.partitions,
        metadata={"dagster/column_schema": schema} if stage.columns else None,
        tags={
            "getmore/makes": "table" if stage.columns else "model",
            **({"getmore/shared_by": "tasks-with-the-same-candidates"} if stage.shared else {}),
        },
        owners=owners(),
        group_name=pipeline.group or stage.group,
        kinds=set(stage.kinds),
        code_version=stage.code_version,
        pool=pools.declared(pipeline.pool) if stage.on_gpu else None,
        description=stage.description,
        io_manager_key=pipeline.named(TABLES),
        required_resource_keys={pipeline.resource_key},
        automation_condition=condition,
    )
    def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        line: Line = getattr(context.resources, pipeline.resource_key)
        return line.materialise(context, stage)

    return made


def asset_check(pipeline: Pipeline, check: Check) -> dg.AssetChecksDefinition:
    """Return a check of one target as Dagster's."""
    with warnings.catch_warnings():  # checks of one partition are new in Dagster 1.13, and say so at each import
        warnings.filterwarnings("ignore", "Specifying a partitions_def")
        declare = dg.asset_check(
            asset=pipeline.key(check.stage),
            name=check.name,
            description=check.description,
            blocking=check.blocking,
            additional_deps=[pipeline.key(name) for name in check.reads],
            partitions_def=pipeline.partitions,
            required_resource_keys={pipeline.resource_key},
        )

        def in_a_run(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
            line: Line = getattr(context.resources, pipeline.resource_key)
            found = remembered.result(check, Checked(line.task(), check.stage))
            return dg.AssetCheckResult(passed=found.passed, severity=_severity(check), metadata=found.metadata)

        return declare(in_a_run)


def _severity(check: Check) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN


def every_check(context: dg.OpExecutionContext, line: Line) -> Iterator[Any]:
    """Every check of a target, alone; a check whose stage has not been made is left out.

    The step fails where a blocking check did not hold, and where one could not be evaluated, as it does beside its
    stage.
    """
    # As a step of its own, because Dagster 1.13 cannot run a job of nothing but checks for one partition.
    failed, task = [], line.task()
    for check in CHECKS:
        if not Records(Lake(task.lake), task.name).known(check.stage):
            context.log.info(f"{check.name}: skipped, {check.stage} has not been made")
            continue
        try:
            found = check.evaluate(Checked(task, check.stage))
        except Exception as error:  # the other checks are run all the same
            found = Finding(False, {RAISED: f"{type(error).__name__}: {error}"})
        yield dg.AssetCheckEvaluation(
            asset_key=line.pipeline.key(check.stage),
            check_name=check.name,
            passed=found.passed,
            metadata=found.metadata,
            severity=_severity(check),
            blocking=check.blocking,
            partition=line.target,
        )
        if not found.passed and (check.blocking or RAISED in found.metadata):
            failed.append(check.name)
    if failed:
        raise dg.Failure(f"checks failed: {', '.join(failed)}", allow_retries=False)
