"""The asset check that warns if the last run of any target failed.

Belongs here: this check, which looks at all targets. Does not: checks of one target, which are in their stage's module.
"""

import dagster as dg

from getmore_assets.defs import runs
from getmore_assets.defs.pipeline import Pipeline

CHECK = "no_target_stands_failed"


def build_check(pipeline: Pipeline) -> dg.AssetChecksDefinition:
    """Return the check, which looks at the last run of every target."""

    @dg.asset_check(
        asset=pipeline.key("target_data"),
        name=CHECK,
        description="The last run of every target succeeded. A failed target runs again when its data change or when "
        "someone starts a run.",
    )
    def no_target_stands_failed(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        targets = pipeline.targets(context.instance)
        failed = runs.failed_targets(context.instance, targets, pipeline.tags)
        metadata = _failing_metadata(failed)
        return dg.AssetCheckResult(passed=not failed, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)

    return no_target_stands_failed


def build_evaluation(pipeline: Pipeline, failed: dict[str, str]) -> dg.AssetCheckEvaluation:
    """Return the check's result for a sensor to report; `failed` maps each failed target to the id of its last run."""
    return dg.AssetCheckEvaluation(
        asset_key=pipeline.key("target_data"),
        check_name=CHECK,
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=_failing_metadata(failed),
    )


def _failing_metadata(failed: dict[str, str]) -> dict[str, dg.MetadataValue]:
    count: dict[str, dg.MetadataValue] = {"failing": dg.MetadataValue.int(len(failed))}
    return count | {target: dg.MetadataValue.dagster_run(run_id) for target, run_id in failed.items()}
