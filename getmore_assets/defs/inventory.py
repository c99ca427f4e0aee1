"""The inventory: whether any target stands failed.

Belongs here: that check, over all targets. Does not: checks of one target, which stand with their station.
"""

import dagster as dg

from getmore_assets.defs import runs
from getmore_assets.defs.target_data import target_data

_NAME = "no_target_stands_failed"


@dg.asset_check(
    asset=target_data,
    name=_NAME,
    description="The last run of every target ended well. A run that failed is not tried again until the target's data "
    "change, or someone starts it.",
)
def no_target_stands_failed(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Looks at the last run of every target."""
    failing = runs.standing_failed(context.instance)
    return dg.AssetCheckResult(passed=not failing, severity=dg.AssetCheckSeverity.WARN, metadata=_shown(failing))


def evaluation(failing: dict[str, str]) -> dg.AssetCheckEvaluation:
    """What the check would find, for a sensor to report."""
    return dg.AssetCheckEvaluation(
        asset_key=target_data.key,
        check_name=_NAME,
        passed=not failing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=_shown(failing),
    )


def _shown(failing: dict[str, str]) -> dict[str, dg.MetadataValue]:
    shown: dict[str, dg.MetadataValue] = {"failing": dg.MetadataValue.int(len(failing))}
    return shown | {target: dg.MetadataValue.dagster_run(run_id) for target, run_id in failing.items()}
