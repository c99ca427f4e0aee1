"""What every asset does around its work: find the task, reuse what is still good, meter, track, record.

Belongs here: the resource behind all stations and the one way to materialise. Does not: what one station knows.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from getmore_assets import damage, preflight, tracking
from getmore_assets.config import Task
from getmore_assets.defs import runs
from getmore_assets.defs.job import Job, Made, do, lineage
from getmore_assets.defs.pools import place_in_pool
from getmore_assets.defs.shown import materialisation
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, TableRef
from getmore_assets.launch import WorkerKilledError
from getmore_assets.records import Record, Records, making
from getmore_assets.task_files import load_task
from getmore_assets.tasks_folder import find_task_file, tasks_folder

log = logging.getLogger(__name__)

_READS = 3  # how often a source that changes while it is read is read again

targets = dg.DynamicPartitionsDefinition(name="target")


class Line(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Which task file a partition means, and with which changes."""

    task_file: str = Field("", description="the task file; empty: the one of that name in the tasks folder")
    overrides: list[str] = Field([], description="changes to the task file, as `selection.budget.rows=500`")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Line"]:
        """Give signs of life while the run's process lives, so that others can tell a living run from a dead one."""
        run = context.run
        try:
            lake = Lake(self.task(run.tags[runs.PARTITION]).lake) if run and runs.PARTITION in run.tags else None
        except BadInput:  # the station says it, in its place
            lake = None
        instance = context.instance
        with runs.signs_of_life(instance, run, lake) if instance and run and lake else nullcontext():
            yield self

    def task(self, name: str) -> Task:
        """The task of a partition.

        Raises:
            BadInput: No task file, or more than one, has that name.
        """
        path = Path(self.task_file) if self.task_file else find_task_file(name, tasks_folder())
        return load_task(path, self.overrides)

    def record(self, context: dg.AssetCheckExecutionContext, station: str) -> tuple[Task, Record]:
        """For a check: the task of its partition, and what the station left."""
        task = self.task(context.partition_key)
        return task, Records(Lake(task.lake), task.name).require(station, _made_first(station))

    def has_made(self, name: str, station: str) -> bool:
        """Whether a station of a target was ever made, even if what it left is gone."""
        task = self.task(name)
        return Records(Lake(task.lake), task.name).known(station)

    def materialise(
        self,
        context: dg.AssetExecutionContext,
        *,
        inputs: tuple[str, ...] | Callable[[Task], tuple[str, ...]],
        settings: Callable[[Task], Any],
        make: Callable[[Job], Made],
        keep: Callable[[Job, Record], str | None] = lambda _job, _last: None,
        reads: Mapping[str, str] = {},
        track: bool = False,
        shared: bool = False,
        on_gpu: bool = False,
    ) -> dg.MaterializeResult:
        """Make a station, or find that what it, or an earlier making, left is what it would make now.

        Args:
            context: Dagster's.
            inputs: The stations it reads, or which they are of a task.
            settings: The part of the task that, besides the inputs, its result depends on.
            make: The work.
            keep: Why what the station made last, of the same recipe and other inputs, still serves; None: it does not.
            reads: Of an input, the fact that stands for what is read of it; its data version where it is not named.
            track: Whether to open an MLflow run.
            shared: Whether what it writes is shared by tasks, so that only one of them may write at a time.
            on_gpu: Whether the work waits for a place in the pool `gpu`; where nothing is made nothing waits.
        """
        station, task = context.asset_key.path[-1], self.task(context.partition_key)
        lake = Lake(task.lake)
        records = Records(lake, task.name)
        read = inputs(task) if callable(inputs) else inputs
        if not read:
            preflight.check(task)
        code_version = context.assets_def.code_versions_by_key[context.asset_key] or ""

        def wanted(used: dict[str, str]) -> str:
            return making(station, code_version, settings(task), used)

        with lake.lock("station", *(() if shared else (task.name,)), station):
            damage.require_whole(lake, station)
            found = {name: records.require(name, _made_first(name)) for name in read}
            used = {name: str(r.facts[reads[name]]) if name in reads else r.data_version for name, r in found.items()}
            for _ in range(_READS):
                now_wanted, last = wanted(used), records.get(station)
                commit = {
                    "dagster_run_id": context.run.run_id,
                    "asset": station,
                    "task": task.name,
                    "fingerprint": now_wanted,
                    "code_version": code_version,
                }
                same_recipe = last is not None and last.fingerprint == wanted(last.inputs)
                job = Job(station, task, lake, found, now_wanted, wanted({}), commit, last, same_recipe)
                record, status = _made_before(job, records, keep, used)
                if record is not None:
                    record = _readable(job, record)
                    if track:
                        _warn_untracked(lake, record)
                else:
                    with place_in_pool(context) if on_gpu else nullcontext():
                        record, status = _made(context, job, make, used, track), "made"
                if now_wanted == wanted(used):  # else a source changed while it was read: what was read may be torn
                    records.put(record)
                    break
                log.info("%s: its source changed while it was read; reading again", station)
            else:
                fix = "Let it rest, or copy it to where nothing writes"
                raise BadInput(station, f"its source changed {_READS} times while it was read", fix)
            log.info("%s: %s, %d rows", station, status, record.rows)
            return materialisation(record, status)


def _made(
    context: dg.AssetExecutionContext, job: Job, make: Callable[[Job], Made], used: dict[str, str], track: bool
) -> Record:
    try:
        return do(job, make, used, track)
    except Exception as error:
        log.error("%s failed: %s", job.station, error)
        if isinstance(error, WorkerKilledError):
            context.instance.add_run_tags(context.run.run_id, {runs.INTERRUPTED: job.station})
        raise


def _readable(job: Job, record: Record) -> Record:
    """A record that is used again, with versions of its inputs that can be read: the same data, made again since."""
    today = lineage(job)
    moved = {
        name: value
        for name, value in today.items()
        if name.startswith("table.") and record.lineage.get(name, value) != value
    }
    gone = {name: value for name, value in moved.items() if not job.lake.holds(_table(record.lineage[name]))}
    return replace(record, lineage={**record.lineage, **gone}) if gone else record


def _table(tag: str) -> TableRef:
    path, _, version = tag.rpartition("@v")
    return TableRef(path, int(version))


def _warn_untracked(lake: Lake, record: Record) -> None:
    known = tracking.runs_known(lake)
    if record.mlflow_run_id and known is not None and record.mlflow_run_id not in known:
        said = "%s: MLflow's store does not know run %s of it any more; getmore repair TASK.yaml tracks it again"
        log.warning(said, record.station, record.mlflow_run_id)


def _made_first(station: str) -> str:
    return f"Materialise {station} first, or run the line"


def _made_before(
    job: Job, records: Records, keep: Callable[[Job, Record], str | None], used: dict[str, str]
) -> tuple[Record | None, str]:
    """What serves in place of a new making, and how it is called."""
    last = job.last
    if last is not None and last.fingerprint == job.fingerprint and last.kept is None:
        return last, "reused"
    earlier = records.made_before(job.station, job.fingerprint)
    if earlier is not None:
        return earlier, "reused"
    if last is not None and job.same_recipe:
        why = keep(job, last)
        if why is not None:
            log.info("%s: kept, %s", job.station, why)
            return replace(last, fingerprint=job.fingerprint, inputs=used, kept=why), "kept"
    return None, ""
