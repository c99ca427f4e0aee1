"""The inventory: whether any target stands failed.

Belongs here: that check, over all targets. Does not: checks of one target, which stand with their stage.
"""

import dagster as dg

from getmore_assets.defs import runs
from getmore_assets.defs.pipeline import Pipeline

CHECK = "no_target_stands_failed"


def inventory(pipeline: Pipeline) -> dg.AssetChecksDefinition:
    """Return the check, which looks at the last run of every target."""

    @dg.asset_check(
        asset=pipeline.key("target_data"),
        name=CHECK,
        description="The last run of every target ended well. A run that failed is not tried again until the target's "
        "data change, or someone starts it.",
    )
    def no_target_stands_failed(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        there = pipeline.targets(context.instance)
        failing = runs.standing_failed(context.instance, there, pipeline.tags)
        return dg.AssetCheckResult(passed=not failing, severity=dg.AssetCheckSeverity.WARN, metadata=_shown(failing))

    return no_target_stands_failed


def evaluation(pipeline: Pipeline, failing: dict[str, str]) -> dg.AssetCheckEvaluation:
    """Return what the check would find, for a sensor to report."""
    return dg.AssetCheckEvaluation(
        asset_key=pipeline.key("target_data"),
        check_name=CHECK,
        passed=not failing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=_shown(failing),
    )


def _shown(failing: dict[str, str]) -> dict[str, dg.MetadataValue]:
    shown: dict[str, dg.MetadataValue] = {"failing": dg.MetadataValue.int(len(failing))}
    return shown | {target: dg.MetadataValue.dagster_run(run_id) for target, run_id in failing.items()}
