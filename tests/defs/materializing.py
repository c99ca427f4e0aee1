"""Materializing one asset of the pipeline in this process."""

import dagster as dg

from getmore_assets.definitions import defs


def materialize(stage, file, instance, *overrides):
    """Materialize one stage of the task `tiny`; the instance knows the target."""
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey(stage)})
    config = {"resources": {"getmore": {"config": {"task_file": str(file), "overrides": list(overrides)}}}}
    return job.execute_in_process(instance=instance, partition_key="tiny", run_config=config, raise_on_error=False)
