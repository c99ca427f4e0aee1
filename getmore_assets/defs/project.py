"""The pipeline as definitions for any Dagster project.

Belongs here: the one call that a project makes, and what its arguments mean. Does not: a definition (`assets.py`,
`jobs.py`, `sensors.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.defs.assets import TABLES, asset, asset_check
from getmore_assets.defs.inventory import inventory
from getmore_assets.defs.jobs import JOBS, asset_jobs
from getmore_assets.defs.line import resource
from getmore_assets.defs.parameters import tables
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.defs.sensors import sensors as sensors_of
from getmore_assets.defs.upstream import assets_of
from getmore_assets.errors import BadInput
from getmore_assets.stages.table import CHECKS, STAGES
from getmore_assets.task_files import task_of
from getmore_assets.tracking_place import Tracking

#: What an upstream asset may stand for, and the stage that reads it.
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
    """Return the pipeline's assets, checks, jobs, sensors and resource, to be merged into a project of yours.

    Nothing of it concerns the other assets of the project. Two pipelines in one project need different key prefixes.

    Args:
        key_prefix: Of every asset key. Names of jobs, sensors and partitions, and the key of the resource, begin with
            it too: `warm` gives the asset `warm/selected_subset` and the job `warm_run`.
        upstream: Assets of yours that must be materialized first: `candidates` before the pool is read, `target` before
            the target is. Each is a key, an asset, or a `dg.AssetDep` with a partition mapping of its own. Assets that
            `tasks` name as sources need not be repeated here.
        tasks: The folder of task files, the file of one task, or tasks, each as its fields. Default: `GETMORE_TASKS`,
            or `tasks/`.
        lake: The folder of all results, or its URL on a store, in place of the one in each task.
        group: The asset group. Default: five groups, from `inputs` to `proof`.
        partitions: `targets`: a partition a task, added when the task appears. A definition of yours: its keys are
            names of tasks. None: no partitions; `tasks` must be one task, or a folder that holds one.
        pool: The pool in which assets that work on a GPU wait for each other.
        tracking_uri: MLflow's server or store. Default: `MLFLOW_TRACKING_URI`, or a sqlite file in the lake.
        experiment: MLflow's experiment. Default: `MLFLOW_EXPERIMENT_NAME`, or `getmore`.
        resource_key: Of the resource behind the assets. Default: `line`, after the key prefix.
        jobs: Whether to add the jobs, each on the pipeline's own assets.
        sensors: Whether to add the sensors: new tasks, and runs when sources change. They need `jobs`, and `targets` or
            no partitions; without partitions no sensor looks for new tasks.
        automation_condition: Of every asset, for Dagster's own automation instead of the sensors.
        executor: Of the project. Default: none, so that the project's own is used.

    Raises:
        BadInput: `upstream` names something else than `candidates` and `target`, or a task has a wrong field.
    """
    prefix = (key_prefix,) if isinstance(key_prefix, str) else tuple(key_prefix)
    given = dict(upstream or {})
    if unknown := sorted(given.keys() - SOURCES.keys()):
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
        resource_key=resource_key or "_".join([*prefix, "line"]),
    )
    if tasks is not None:  # what tasks name comes first, too
        named = assets_of(pipeline.all_tasks()[0].values())
        given = {name: [*given.get(name, ()), *named[name]] for name in SOURCES}
    pipeline = replace(pipeline, upstream={SOURCES[name]: _deps(assets) for name, assets in given.items()})
    of_assets = asset_jobs(pipeline) if jobs else []
    return dg.Definitions(
        assets=[asset(pipeline, stage, automation_condition) for stage in STAGES.values()],
        asset_checks=[
            *(asset_check(pipeline, check) for check in CHECKS),
            *([inventory(pipeline)] if pipeline.partitions else []),
        ],
        jobs=[*of_assets, *(one.of(pipeline) for one in JOBS if jobs)],
        sensors=sensors_of(pipeline, of_assets[:3]) if jobs and sensors and partitions in ("targets", None) else [],
        resources={pipeline.resource_key: resource(pipeline), pipeline.named(TABLES): tables(pipeline)},
        executor=executor,
    )


def _tasks(given: Sequence[Task | Mapping[str, Any]]) -> tuple[Task, ...]:
    return tuple(one if isinstance(one, Task) else task_of(dict(one), (), "tasks") for one in given)


def _deps(assets: Iterable[Any]) -> tuple[dg.AssetDep, ...]:
    """Return the dependencies, each once: on all partitions of an asset, where no mapping of its own is given."""
    found: dict[dg.AssetKey, dg.AssetDep] = {}
    for one in assets:
        given = dg.AssetKey.from_user_string(one) if isinstance(one, str) else one
        every = dg.AllPartitionMapping()
        dep = given if isinstance(given, dg.AssetDep) else dg.AssetDep(given, partition_mapping=every)
        found.setdefault(dep.asset_key, dep)
    return tuple(found.values())
