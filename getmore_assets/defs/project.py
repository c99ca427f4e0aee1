"""`build_definitions`: the pipeline as definitions for any Dagster project.

Belongs here: this function and its arguments. Does not: the definitions (`assets.py`, `jobs.py`, `sensors.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.defs import failed_targets
from getmore_assets.defs.assets import TABLES, asset, asset_check
from getmore_assets.defs.io_manager import io_manager
from getmore_assets.defs.jobs import JOBS, asset_jobs
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.defs.resource import resource
from getmore_assets.defs.sensors import sensors as sensors_of
from getmore_assets.defs.upstream import assets_of
from getmore_assets.errors import BadInput
from getmore_assets.stages.table import CHECKS, STAGES
from getmore_assets.task_parsing import task_of
from getmore_assets.tracking_place import Tracking

#: The keys of `upstream`, each with the stage that reads the assets.
SOURCES = {"candidates": "raw_corpus", "target": "target_data"}


def build_definitions(
    *,
    key_prefix: Sequence[str] | str = (),
    upstream: Mapping[str, Iterable[Any]] | None = None,
    tasks: str | Path | Sequence[Task | Mapping[str, Any]] | None = None,
    lake: str | Path | None = None,
    group: str | None = None,
    partitions: dg.PartitionsDefinition | Literal["targets"] | None = "targets",
    pool: str = "gpu",
    tracking_uri: str | None = None,
    experiment: str | None = None,
    resource_key: str | None = None,
    jobs: bool = True,
    sensors: bool = True,
    automation_condition: dg.AutomationCondition | None = None,
    executor: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """Return the pipeline's assets, checks, jobs, sensors and resources, to be merged into your project.

    The definitions do not affect the project's other assets. Two pipelines in one project need different key prefixes.

    Args:
        key_prefix: Prefix of every asset key. Names of jobs, sensors, partitions and resources begin with it too:
            `warm` gives the asset `warm/selected_subset` and the job `warm_run`.
        upstream: Your assets that must be materialized first: `candidates` before the pool is read, `target` before the
            target data are read. Each is a key, an asset, or a `dg.AssetDep` with a partition mapping. Assets that
            `tasks` name as sources need not be repeated here.
        tasks: The folder of task files, one task file, or tasks as mappings from field to value. Default:
            `GETMORE_TASKS`, or `tasks/`.
        lake: The folder or URL of all results; overrides the tasks' own `lake`.
        group: The asset group. Default: five groups, from `inputs` to `proof`.
        partitions: `targets`: one dynamic partition per task, added when the task appears. A partitions definition: its
            keys are task names. None: no partitions; `tasks` must be one task, or a folder with one task file.
        pool: The Dagster pool that limits how many assets use a GPU at once.
        tracking_uri: MLflow's server or store. Default: `MLFLOW_TRACKING_URI`, or a sqlite file in the lake.
        experiment: MLflow's experiment. Default: `MLFLOW_EXPERIMENT_NAME`, or `getmore`.
        resource_key: Key of the resource behind the assets. Default: `getmore`, after the key prefix.
        jobs: Whether to add the jobs.
        sensors: Whether to add the sensors, which add new tasks as partitions and run the pipeline when sources change.
            Needs `jobs`, and `partitions` as `targets` or None.
        automation_condition: Automation condition of every asset, for Dagster's automation instead of the sensors.
        executor: Executor of the definitions. Default: none, so that the project's executor is used.

    Raises:
        BadInput: `upstream` has a key other than `candidates` and `target`, or a task has an invalid field.
    """
    prefix = (key_prefix,) if isinstance(key_prefix, str) else tuple(key_prefix)
    deps = dict(upstream or {})
    if unknown := sorted(deps.keys() - SOURCES.keys()):
        raise BadInput(f"upstream `{unknown[0]}`", "is no source of the pipeline", f"Use {' or '.join(SOURCES)}")
    targets = dg.DynamicPartitionsDefinition(name="_".join([*prefix, "target"]))
    pipeline = Pipeline(
        key_prefix=prefix,
        tasks=Path(tasks) if isinstance(tasks, str | Path) else _tasks(tasks) if tasks is not None else None,
        lake=lake,
        partitions=targets if partitions == "targets" else partitions,
        group=group,
        pool=pool,
        tracking=Tracking(tracking_uri, experiment),
        resource_key=resource_key or "_".join([*prefix, "getmore"]),
    )
    if tasks is not None:
        sources = assets_of(pipeline.all_tasks()[0].values())
        deps = {name: [*deps.get(name, ()), *sources[name]] for name in SOURCES}
    pipeline = replace(pipeline, upstream={SOURCES[name]: _deps(assets) for name, assets in deps.items()})
    of_assets = asset_jobs(pipeline) if jobs else []
    return dg.Definitions(
        assets=[asset(pipeline, stage, automation_condition) for stage in STAGES.values()],
        asset_checks=[
            *(asset_check(pipeline, check) for check in CHECKS),
            *([failed_targets.build_check(pipeline)] if pipeline.partitions else []),
        ],
        jobs=[*of_assets, *(job.build(pipeline) for job in JOBS if jobs)],
        sensors=sensors_of(pipeline, of_assets[:3]) if jobs and sensors and partitions in ("targets", None) else [],
        resources={pipeline.resource_key: resource(pipeline), pipeline.named(TABLES): io_manager(pipeline)},
        executor=executor,
    )


def _tasks(tasks: Sequence[Task | Mapping[str, Any]]) -> tuple[Task, ...]:
    return tuple(task if isinstance(task, Task) else task_of(dict(task), (), "tasks") for task in tasks)


def _deps(assets: Iterable[Any]) -> tuple[dg.AssetDep, ...]:
    """Return the dependencies without repeats; the default partition mapping is to all partitions."""
    deps: dict[dg.AssetKey, dg.AssetDep] = {}
    for given in assets:
        dep = dg.AssetKey.from_user_string(given) if isinstance(given, str) else given
        if not isinstance(dep, dg.AssetDep):
            dep = dg.AssetDep(dep, partition_mapping=dg.AllPartitionMapping())
        deps.setdefault(dep.asset_key, dep)
    return tuple(deps.values())
