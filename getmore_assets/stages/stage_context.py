"""The context of one computation of a stage, and its result.

Belongs here: the argument and the result of a stage's function. Does not: recording and tracking the result
(`computing.py`).
"""

from dataclasses import dataclass, field
from pathlib import Path

from getmore_assets.config import Task
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake, TableRef
from getmore_assets.launch import launch
from getmore_assets.metering import Meter
from getmore_assets.nodes import Nodes
from getmore_assets.pods import PodRequest
from getmore_assets.records import Record
from getmore_assets.remote_worker import RayNodes
from getmore_assets.tracking import TrackedRun
from getmore_assets.tracking_place import AS_ENVIRONMENT_SAYS, Tracking
from getmore_assets.workers.contracts import OfStage, Result, Spec, Worker


@dataclass
class StageContext:
    """The argument of a stage's function: task, inputs and earlier results.

    Attributes:
        stage: The name of the stage.
        task: The task.
        lake: The task's lake.
        inputs: The records of the stages that the stage reads, by name.
        fingerprint: The cache key.
        recipe: The cache key without the inputs' versions.
        commit: The metadata of Delta commits.
        last: The last record of the stage.
        same_recipe: Whether `last` has today's settings and code, so that only the inputs may differ.
        tracking: The MLflow server or store.
        run: The MLflow run, while the stage is computed.
        figure_names: The names of the figures drawn so far.
        meter: Measures time and memory.
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
    figure_names: list[str] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)

    @property
    def work(self) -> Path:
        """The folder of intermediate files, from which an interrupted computation resumes."""
        return self.lake.folder("work", self.fingerprint[:16])

    def table(self, stage: str) -> TableRef:
        """Return the table of an input at its recorded version."""
        return self.inputs[stage].table_ref()

    @property
    def common(self) -> OfStage:
        """The fields that every worker's spec has."""
        return {"task": self.task, "lake": self.lake.address, "work": self.work, "commit": self.commit}

    def model(self, stage: str) -> Path:
        """Return the model folder of an input."""
        return Path(self.inputs[stage].folders["model"])

    def launch(self, worker: Worker[Spec, Result], spec: Spec) -> Result:
        """Run a worker as `task.launch` says: here, under torchrun, on Ray or in a pod."""
        pod, train = self._pod(worker.name), self.task.launch.train
        if worker.name != "train":
            return launch(worker, spec, self.work, 1, pod, self.meter)
        nodes = Nodes(*train.nodes) if train.nodes else None
        ray = RayNodes(train.ray, train.nnodes) if train.ray else None
        return launch(worker, spec, self.work, train.processes, pod, self.meter, nodes, ray)

    def _pod(self, worker: str) -> PodRequest | None:
        """Return the pod that the task requests for a worker; triage, which mostly encodes, uses the pod of `embed`."""
        field = f"launch.{'embed' if worker == 'triage' else worker}.pod"
        place, run = self.task.launch.pods().get(field), self.commit["dagster_run_id"]
        return PodRequest(place, field, self.lake.root, self.work, self.task.name, self.stage, run) if place else None

    def figure(self, name: str) -> Path:
        """Return the path for a figure, and count the figure as drawn."""
        if name not in self.figure_names:
            self.figure_names.append(name)
        return self.lake.folder("figures", self.fingerprint[:16]) / f"{name}.png"

    def figures(self) -> dict[str, str]:
        """Return the drawn figures by name."""
        paths = {name: self.figure(name) for name in sorted(self.figure_names)}
        return {name: str(path) for name, path in paths.items() if path.is_file()}

    def lineage(self) -> dict[str, str]:
        """Return the lineage tags of everything upstream; an input's own tags win over the tags in its lineage."""
        records = self.inputs.values()
        tags = [*(record.lineage for record in records), *(record.own_tags() for record in records)]
        return {name: tag for each in tags for name, tag in each.items()}


@dataclass
class StageResult:
    """The result of a stage's function.

    Attributes:
        rows: Number of rows.
        facts: JSON-like metadata.
        table: The table that was written.
        folders: The folders or files that were written, by name.
        data_version: The version of the data; the cache key if None.
        kept: Why an inexact result is kept; each run checks it again. None for an exact result.
        figures: The names of the figures.
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
        """Return the result from its JSON."""
        return cls(**{**raw, "table": TableRef(**raw["table"]) if raw["table"] else None})

    def is_there(self, lake: Lake) -> bool:
        """Return whether the table, folders and files can be read."""
        readable = self.table is None or lake.holds(self.table)
        return readable and all(Path(folder).exists() for folder in self.folders.values())
