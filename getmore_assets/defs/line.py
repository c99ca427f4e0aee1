"""What every asset does around its work: find the task, reuse what is still good, meter, track, record.

Belongs here: the resource behind all stations and the one way to materialise. Does not: what one station knows.
"""

import logging
import shutil
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from getmore_assets import preflight
from getmore_assets.config import Task
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, TableRef
from getmore_assets.launch import Meter, launch, metered
from getmore_assets.records import Record, Records, now
from getmore_assets.reporting.figures import as_markdown
from getmore_assets.task_files import find_task_files, load_task, tasks_folder
from getmore_assets.tracking import TrackedRun, dagster_url, run_url, tracked

log = logging.getLogger(__name__)

targets = dg.DynamicPartitionsDefinition(name="target")


def partition_check(**options: Any) -> Callable[[Callable[..., dg.AssetCheckResult]], dg.AssetChecksDefinition]:
    """`dg.asset_check` of one target; `context.partition_key` says which."""

    def decorate(check: Callable[..., dg.AssetCheckResult]) -> dg.AssetChecksDefinition:
        with warnings.catch_warnings():  # checks of one partition are new in Dagster 1.13, and say so at each import
            warnings.filterwarnings("ignore", "Specifying a partitions_def")
            return dg.asset_check(partitions_def=targets, **options)(check)

    return decorate


@dataclass
class Job:
    """What a station's work is given."""

    station: str
    task: Task
    lake: Lake
    inputs: dict[str, Record]
    fingerprint: str
    commit: dict[str, str]
    work: Path
    run: TrackedRun | None

    def table(self, station: str) -> TableRef:
        """The table of an input, at the version this run is pinned to."""
        return self.inputs[station].table_ref()

    def launch(self, worker: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Run a worker on this task, with every input's table in its spec."""
        tables = {name: r.table.__dict__ for name, r in self.inputs.items() if r.table}
        common = {
            "task": self.task.model_dump(mode="json", exclude_unset=True),
            "lake": str(self.lake.root),
            "work": str(self.work),
        }
        return launch(worker, {**common, **tables, "commit": self.commit, **spec}, self.work)

    def figure(self, name: str) -> Path:
        """Where a figure of this station lies."""
        return self.lake.folder("figures", self.task.name) / f"{self.station}-{name}.png"

    def figures(self) -> list[Path]:
        """The figures of this station that there are."""
        return sorted(self.figure("any").parent.glob(f"{self.station}-*.png"))


@dataclass
class Made:
    """What a station's work leaves: a table, folders or files, counts, and facts (JSON-like) to show."""

    rows: int
    facts: dict[str, Any]
    table: TableRef | None = None
    folders: dict[str, str] = field(default_factory=dict)
    data_version: str | None = None


class Line(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Which task file a partition means, and with which changes."""

    task_file: str = Field("", description="the task file; empty: the one of that name in the tasks folder")
    overrides: list[str] = Field([], description="changes to the task file, as `selection.budget.rows=500`")

    def task(self, name: str) -> Task:
        """The task of a partition.

        Raises:
            BadInput: No task file has that name.
        """
        path = Path(self.task_file) if self.task_file else find_task_files(tasks_folder()).get(name)
        if path is None:
            fix = "Put its task file there, or set GETMORE_TASKS to the folder where it is"
            raise BadInput(f"target `{name}`", f"no task file in {tasks_folder()}/ has this name", fix)
        return load_task(path, self.overrides)

    def record(self, context: dg.AssetCheckExecutionContext, station: str) -> tuple[Task, Record]:
        """For a check: the task of its partition, and what the station left."""
        task = self.task(context.partition_key)
        return task, _require(Records(Lake(task.lake), task.name), station)

    def materialise(
        self,
        context: dg.AssetExecutionContext,
        *,
        inputs: tuple[str, ...],
        settings: Callable[[Task], Any],
        make: Callable[[Job], Made],
        track: bool = False,
        shared: bool = False,
    ) -> dg.MaterializeResult:
        """Make a station, or find that what it made last is what it would make now.

        Args:
            context: Dagster's.
            inputs: The stations it reads.
            settings: The part of the task that, besides the inputs, its result depends on.
            make: The work.
            track: Whether to open an MLflow run.
            shared: Whether what it writes is shared by tasks, so that only one of them may write at a time.
        """
        station, task = context.asset_key.path[-1], self.task(context.partition_key)
        lake = Lake(task.lake)
        records = Records(lake, task.name)
        if not inputs:
            preflight.check(task)
        with lake.lock(station if shared else f"{task.name}-{station}"):
            found = {name: _require(records, name) for name in inputs}
            code_version = context.assets_def.code_versions_by_key[context.asset_key] or ""
            used = {name: record.data_version for name, record in found.items()}
            wanted = fingerprint(station, code_version, settings(task), used)
            record, status = records.get(station), "reused"
            if record is None or record.fingerprint != wanted:
                status = "made"
                log.info("%s: making", station)
                commit = {
                    "dagster_run_id": context.run_id,
                    "asset": station,
                    "task": task.name,
                    "fingerprint": wanted,
                    "code_version": code_version,
                }
                # Tasks that differ elsewhere may make the same thing: its work folder is one task's at a time.
                with lake.lock(f"work-{wanted[:16]}"):
                    job = Job(station, task, lake, found, wanted, commit, lake.folder("work", wanted[:16]), None)
                    record = _make(job, make, used, track)
                    records.put(record)
                    shutil.rmtree(job.work, ignore_errors=True)
            log.info("%s: %s, %d rows", station, status, record.rows)
            return _result(lake, record, status)


def _require(records: Records, station: str) -> Record:
    record = records.get(station)
    if record is None:
        raise BadInput(
            f"{station} of {records.task}", "has not been made", f"Materialise {station} first, or run the line"
        )
    return record


def _make(job: Job, make: Callable[[Job], Made], used: dict[str, str], track: bool) -> Record:
    with ExitStack() as stack:
        if track:
            tags = {
                "getmore.station": job.station,
                "getmore.task": job.task.name,
                "getmore.lake": str(job.lake.root),
                "getmore.fingerprint": job.fingerprint,
                "getmore.code_version": job.commit["code_version"],
                "dagster.run_id": job.commit["dagster_run_id"],
                "dagster.run_url": dagster_url(job.commit["dagster_run_id"]),
            }
            job.run = stack.enter_context(tracked(job.lake, f"{job.task.name} {job.station}", tags))
        for figure in job.figures():
            figure.unlink()
        meter: Meter = stack.enter_context(metered())
        made = make(job)
        if job.run is not None:
            _log(job, job.run, made)
    return Record(
        station=job.station,
        task=job.task.name,
        fingerprint=job.fingerprint,
        data_version=made.data_version or job.fingerprint,
        code_version=job.commit["code_version"],
        inputs=used,
        lineage=_lineage(job),
        table=made.table,
        folders=made.folders,
        rows=made.rows,
        facts=made.facts,
        seconds=meter.seconds,
        peak_rss_mb=meter.peak_rss_mb,
        dagster_run_id=job.commit["dagster_run_id"],
        mlflow_run_id=job.run.id if job.run else None,
        mlflow_url=run_url(job.run.experiment_id, job.run.id) if job.run else None,
        made_at=now(),
    )


def _lineage(job: Job) -> dict[str, str]:
    return {name: value for record in job.inputs.values() for name, value in record.passed_on().items()}


def _log(job: Job, run: TrackedRun, made: Made) -> None:
    run.log_params(job.task.model_dump(exclude={"candidates", "target", "general"}))
    lineage = _lineage(job)
    run.set_tags(lineage)
    for name, value in lineage.items():
        if name.startswith("table."):
            path, _, version = value.rpartition("@v")
            run.log_table(name.removeprefix("table."), TableRef(path, int(version)))
    run.log_metrics({**made.facts, **made.facts.get("metrics", {}), "rows": made.rows})
    run.log_curve(made.facts.get("curve", []))
    if "model" in made.folders:
        version = run.register(f"{job.task.name}.{job.station}", Path(made.folders["model"]))
        run.set_tags({"model_folder": made.folders["model"], "registered_version": version})
    for figure in job.figures():
        run.log_file(figure)


def _result(lake: Lake, record: Record, status: str) -> dg.MaterializeResult:
    """The materialisation as Dagster shows it."""
    metadata: dict[str, Any] = {
        "status": status,
        "dagster/row_count": record.rows,
        "seconds": record.seconds,
        "peak_rss_mb": record.peak_rss_mb,
        "made_in_run": dg.MetadataValue.dagster_run(record.dagster_run_id),
        "fingerprint": record.fingerprint,
    }
    if record.table is not None:
        metadata |= {"delta_table": dg.MetadataValue.path(record.table.path), "delta_version": record.table.version}
        schema = record.table.scan().collect_schema()
        columns = [dg.TableColumn(name, str(kind)) for name, kind in schema.items()]
        metadata["dagster/column_schema"] = dg.TableSchema(columns)
    for name, folder in record.folders.items():
        metadata[name] = dg.MetadataValue.path(folder)
    for name, value in {**record.facts, **record.facts.get("metrics", {})}.items():
        if name in metadata or name in ("curve", "history", "metrics"):
            continue
        if isinstance(value, str | int | float | bool):
            metadata[name] = value
        else:
            metadata[name] = dg.MetadataValue.json(value if not isinstance(value, list) else value[:50])
    if record.mlflow_url:
        metadata |= {"mlflow_run": dg.MetadataValue.url(record.mlflow_url), "mlflow_run_id": record.mlflow_run_id}
    for figure in sorted(lake.folder("figures", record.task).glob(f"{record.station}-*.png")):
        metadata[figure.stem.split("-", 1)[1].replace("-", " ")] = dg.MetadataValue.md(as_markdown(figure))
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(record.data_version))
