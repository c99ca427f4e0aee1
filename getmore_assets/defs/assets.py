"""Assets and asset checks of the stages.

Belongs here: building the Dagster definitions from the table of stages. Does not: materializing (`resource.py`), or the
stages (`table.py`).
"""

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

from getmore_assets.defs import pools
from getmore_assets.defs.asset_metadata import owners, table_schema
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.defs.resource import GetmoreResource
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.stages import check_cache
from getmore_assets.stages.checks import Check, CheckContext, CheckResult
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.table import CHECKS

TABLES = "tables"  # the IO manager's resource key, after the key prefix
RAISED = "raised"  # the metadata key with the exception of a check that could not be evaluated


def asset(pipeline: Pipeline, stage: Stage, condition: dg.AutomationCondition | None) -> dg.AssetsDefinition:
    """Return the asset of a stage."""
    schema = table_schema(stage.columns, {name: column.kind for name, column in stage.columns.items()})

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
        pool=pools.declared_pool(pipeline.pool) if stage.on_gpu else None,
        description=stage.description,
        io_manager_key=pipeline.named(TABLES),
        required_resource_keys={pipeline.resource_key},
        automation_condition=condition,
    )
    def materialize(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        getmore: GetmoreResource = getattr(context.resources, pipeline.resource_key)
        return getmore.materialize(context, stage)

    return materialize


def asset_check(pipeline: Pipeline, check: Check) -> dg.AssetChecksDefinition:
    """Return the Dagster definition of a check."""
    with warnings.catch_warnings():  # Dagster 1.13 warns that partitioned checks are a preview
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

        def evaluate(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
            getmore: GetmoreResource = getattr(context.resources, pipeline.resource_key)
            result = check_cache.result(check, CheckContext(getmore.task(), check.stage))
            return dg.AssetCheckResult(passed=result.passed, severity=_severity(check), metadata=result.metadata)

        return declare(evaluate)


def _severity(check: Check) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN


def every_check(context: dg.OpExecutionContext, getmore: GetmoreResource) -> Iterator[Any]:
    """Evaluate every check of a target; checks of stages that have not been materialized are skipped.

    The step fails if a blocking check fails or any check raises, as in a run of the pipeline.
    """
    # An op, because Dagster 1.13 cannot run a job that consists of checks for one partition.
    failed, task = [], getmore.task()
    for check in CHECKS:
        if not Records(Lake(task.lake), task.name).was_materialized(check.stage):
            context.log.info(f"{check.name}: skipped, {check.stage} has not been materialized")
            continue
        try:
            result = check.evaluate(CheckContext(task, check.stage))
        except Exception as error:  # go on with the other checks
            result = CheckResult(False, {RAISED: f"{type(error).__name__}: {error}"})
        yield dg.AssetCheckEvaluation(
            asset_key=getmore.pipeline.key(check.stage),
            check_name=check.name,
            passed=result.passed,
            metadata=result.metadata,
            severity=_severity(check),
            blocking=check.blocking,
            partition=getmore.target,
        )
        if not result.passed and (check.blocking or RAISED in result.metadata):
            failed.append(check.name)
    if failed:
        raise dg.Failure(f"checks failed: {', '.join(failed)}", allow_retries=False)
