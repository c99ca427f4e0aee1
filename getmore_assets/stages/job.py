"""A stage's job: what its work is given, what it leaves, and doing it once, tracked and metered.

Belongs here: from a job to a record. Does not: whether a job must be done at all (`caching.py`), or what a stage does.
"""

import json
import logging
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from getmore_assets.config import Task
from getmore_assets.contents import contents_of
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake, TableRef
from getmore_assets.launch import launch
from getmore_assets.metering import Meter, metered
from getmore_assets.pods import PodRequest
from getmore_assets.records import FROM_PYTHON, Record, now, tables_of, write_atomically
from getmore_assets.relative_paths import absolute, relative
from getmore_assets.tracking import TrackedRun, tracked
from getmore_assets.tracking_place import AS_ENVIRONMENT_SAYS, Tracking, dagster_url, run_url
from getmore_assets.training_facts import Scored
from getmore_assets.workers.contracts import OfStage, Result, Spec, Worker

log = logging.getLogger(__name__)

_ORIGIN = "of.json"  # in a work folder: whose work it is


@dataclass
class Job:
    """What a stage's work is given.

    `recipe` is the fingerprint without that of the inputs. `last` is what the stage left when it was last made, and
    `same_recipe` says that it was made with today's settings and code, so that only what it read may be different.
    """

    stage: str
    task: Task
    lake: Lake
    inputs: dict[str, Record]
    fingerprint: str
    recipe: str
    commit: dict[str, str]
    last: Record | None
    same_recipe: bool
    tracking: Tracking = AS_ENVIRONMENT_SAYS
    run: TrackedRun | None = None
    drawn: list[str] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)

    @property
    def work(self) -> Path:
        """Where work keeps what it goes on from when it was cut off."""
        return self.lake.folder("work", self.fingerprint[:16])

    def table(self, stage: str) -> TableRef:
        """The table of an input, at the version this run is pinned to."""
        return self.inputs[stage].table_ref()

    @property
    def common(self) -> OfStage:
        """What the spec of every worker says of this job."""
        return {"task": self.task, "lake": self.lake.address, "work": self.work, "commit": self.commit}

    def model(self, stage: str) -> Path:
        """The folder of the model of an input."""
        return Path(self.inputs[stage].folders["model"])

    def launch(self, worker: Worker[Spec, Result], spec: Spec) -> Result:
        """Run a worker, where the task says that it runs."""
        processes = self.task.launch.train.processes if worker.name == "train" else 1
        return launch(worker, spec, self.work, processes, self._pod(worker.name), self.meter)

    def _pod(self, worker: str) -> PodRequest | None:
        """The pod that the task asks for a worker; triage is mostly encoding, and goes where that goes."""
        field = f"launch.{'embed' if worker == 'triage' else worker}.pod"
        place, run = self.task.launch.pods().get(field), self.commit["dagster_run_id"]
        return PodRequest(place, field, self.lake.root, self.work, self.task.name, self.stage, run) if place else None

    def figure(self, name: str) -> Path:
        """Return where a figure of this making is to be drawn; it counts as one of them from now on."""
        if name not in self.drawn:
            self.drawn.append(name)
        return self.lake.folder("figures", self.fingerprint[:16]) / f"{name}.png"

    def figures(self) -> dict[str, str]:
        """Return the figures of this making, by name."""
        found = {name: self.figure(name) for name in sorted(self.drawn)}
        return {name: str(path) for name, path in found.items() if path.is_file()}


@dataclass
class StageResult:
    """What a stage's work leaves: a table, folders or files, counts, and facts (JSON-like) to show.

    `kept` says why it serves, where it is not exactly what its inputs ask for: it is then looked at again each time.
    `figures` names what was drawn.
    """

    rows: int
    facts: JsonObject
    table: TableRef | None = None
    folders: dict[str, str] = field(default_factory=dict)
    data_version: str | None = None
    kept: str | None = None
    figures: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, raw: JsonObject) -> "StageResult":
        """From JSON."""
        return cls(**{**raw, "table": TableRef(**raw["table"]) if raw["table"] else None})

    def is_there(self, lake: Lake) -> bool:
        """Whether all that it names can be read."""
        held = self.table is None or lake.holds(self.table)
        return held and all(Path(folder).exists() for folder in self.folders.values())


def do(job: Job, make: Callable[[Job], StageResult], used: dict[str, str], track: bool) -> Record:
    """Make a stage, and say how.

    Args:
        job: What is made.
        make: The work.
        used: The data version of each input.
        track: Whether to open an MLflow run.
    """
    log.info("%s: computing", job.stage, extra={"stage": job.stage})
    try:
        with ExitStack() as stack:
            # Tasks that differ elsewhere may make the same thing: its work folder is one task's at a time.
            stack.enter_context(job.lake.lock("work", job.fingerprint[:16]))
            if track:
                run, commit = job.commit["dagster_run_id"], job.commit["code_version"]
                tags = _tags(job.lake, job.stage, job.task.name, job.fingerprint, commit, run)
                job.run = stack.enter_context(tracked(job.lake, f"{job.task.name} {job.stage}", tags, job.tracking))
            job.meter = stack.enter_context(metered())
            write_atomically(job.work / _ORIGIN, json.dumps(_origin(job)))
            made = _work(job, make)
            record = _record(job, made, used)
            if job.run is not None:
                _log(job.run, job.task, record)
            _clear_work(job)
    except Exception as error:
        log.error("%s failed: %s", job.stage, error)
        raise
    seconds, peak = job.meter.seconds, job.meter.peak_rss_mb
    record = replace(record, seconds=seconds, peak_rss_mb=peak, made_at=now())
    return _tracked_in(record, job.run, job.tracking, job.lake)


def track_again(lake: Lake, record: Record) -> Record:
    """Track in MLflow what a record says of a making whose run was lost; its model is registered again.

    Returns:
        The record with the new run.
    """
    task = Task.model_validate(record.settings)
    made_in, code = record.dagster_run_id, record.code_version
    tags = _tags(lake, record.stage, record.task, record.fingerprint, code, made_in)
    with tracked(lake, f"{record.task} {record.stage}", tags) as run:
        _log(run, task, record)
    return _tracked_in(record, run, AS_ENVIRONMENT_SAYS, lake)


def _tracked_in(record: Record, run: TrackedRun | None, where: Tracking, lake: Lake) -> Record:
    if run is None:
        return record
    url = run_url(run.experiment_id, run.id, run.server)
    return replace(record, mlflow_run_id=run.id, mlflow_url=url, tracked_at=where.recorded(lake))


def _tags(lake: Lake, stage: str, task: str, fingerprint: str, code_version: str, run: str) -> dict[str, str]:
    """What an MLflow run is found by."""
    # MLflow's page says it at the top, in Markdown, for a tag is no link there.
    where = f"in [Dagster run {run[:8]}]({dagster_url(run)})"
    where = "by a call from Python" if run.startswith(FROM_PYTHON) else where
    note = f"`{stage}` of target `{task}`, made {where}"
    return {
        "getmore.station": stage,
        "getmore.task": task,
        "getmore.lake": lake.address,
        "getmore.fingerprint": fingerprint,
        "getmore.code_version": code_version,
        "dagster.run_id": run,
        "dagster.run_url": dagster_url(run),
        "mlflow.note.content": note,
    }


def _record(job: Job, made: StageResult, used: dict[str, str]) -> Record:
    return Record(
        stage=job.stage,
        task=job.task.name,
        fingerprint=job.fingerprint,
        data_version=made.data_version or job.fingerprint,
        code_version=job.commit["code_version"],
        inputs=used,
        lineage=lineage(job),
        table=made.table,
        folders=made.folders,
        rows=made.rows,
        facts=made.facts,
        seconds=0.0,
        peak_rss_mb=0.0,
        dagster_run_id=job.commit["dagster_run_id"],
        mlflow_run_id=None,
        mlflow_url=None,
        made_at=now(),
        figures=job.figures(),
        settings=job.task.model_dump(mode="json", exclude_unset=True),
        kept=made.kept,
        contents={name: contents_of(Path(place)) for name, place in made.folders.items()},
    )


def _origin(job: Job) -> dict[str, str]:
    return {"stage": job.stage, "task": job.task.name, "recipe": job.recipe}


def _clear_work(job: Job) -> None:
    """Remove what the work went on from, and what a killed run left that worked on other inputs by the same recipe."""
    shutil.rmtree(job.work, ignore_errors=True)
    for note in job.lake.folder("work").glob(f"*/{_ORIGIN}"):
        name = note.parent.name
        if not job.lake.is_locked("work", name) and json.loads(note.read_text("utf-8")) == _origin(job):
            shutil.rmtree(note.parent, ignore_errors=True)


def _work(job: Job, make: Callable[[Job], StageResult]) -> StageResult:
    """Do the work, or find it done by a run that was killed, or lost its tracking server, before it could record it."""
    done = job.work / "made.json"
    if done.is_file():
        made = StageResult.of(absolute(json.loads(done.read_text("utf-8")), job.lake))
        if made.is_there(job.lake):
            job.drawn += made.figures
            return made
    made = make(job)
    made.figures = job.drawn
    write_atomically(done, json.dumps(relative(asdict(made), job.lake)))
    return made


def lineage(job: Job) -> dict[str, str]:
    """Tags of all that is upstream: what was read stands before what that was made from, which may be older."""
    own = [record.own_tags() for record in job.inputs.values()]
    return {name: v for tags in [*(r.lineage for r in job.inputs.values()), *own] for name, v in tags.items()}


def _log(run: TrackedRun, task: Task, record: Record) -> None:
    run.log_params(task.model_dump(exclude={"candidates", "target", "general"}))
    run.set_tags(record.lineage)
    for stage, table in tables_of(record.lineage).items():
        run.log_table(stage, table)
    scored, metrics = record.facts.get("scored", []), record.facts.get("metrics", {})
    run.log_metrics({**record.facts, **({} if scored else metrics), "rows": record.rows})
    run.log_curve(record.facts.get("curve", []))
    if "model" in record.folders:
        version = run.register(f"{record.task}.{record.stage}", Path(record.folders["model"]))
        run.set_tags({"model_folder": record.folders["model"], "registered_version": version})
    for figure in record.figures.values():
        if Path(figure).is_file():
            run.log_file(Path(figure))
    for who in reversed(dict.fromkeys(one["selector"] for one in scored)):  # MLflow shows the newest first
        means = {name.removeprefix(f"{who}/"): mean for name, mean in metrics.items() if name.startswith(f"{who}/")}
        _log_selector(run, {"target": record.task, "selector": who}, means, [s for s in scored if s["selector"] == who])


def _log_selector(run: TrackedRun, of: dict[str, str], means: dict[str, float], scored: list[Scored]) -> None:
    """A run for a selector on a scorecard, and one for each seed under it: MLflow draws a bar a run for each metric."""
    who = of["selector"]
    note = f"`{who}` on the scorecard of target `{of['target']}`, at equal tokens with its siblings: "
    mean = run.child(who, f"{note}means over {len(scored)} seeds", {**of, "seeds": len(scored)}, means)
    for one in scored:
        measured = {name: value for name, value in one.items() if name not in ("seed", "target")}
        mean.child(f"{who} seed {one['seed']}", f"{note}seed {one['seed']}", {**of, "seed": one["seed"]}, measured)
