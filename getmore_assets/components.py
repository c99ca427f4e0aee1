"""The pipeline as a component of a Dagster project: `type: getmore_assets.GetmoreComponent` in a `defs.yaml`.

Belongs here: the component's attributes, and the files that `dg scaffold defs` writes. Does not: the definitions
(`defs/project.py`).
"""

from collections.abc import Sequence
from typing import Literal

import dagster as dg
from pydantic import Field

from getmore_assets.config.schema import language_server_line, write_schema
from getmore_assets.defs.project import build_definitions
from getmore_assets.json_models import JsonObject

_DEFS = """\
# The pipeline, beside the other assets of this project. `dg check defs` checks that it loads.
type: {type}

attributes:
  key_prefix: [{name}]        # of every asset key; names of jobs, sensors and partitions begin with it, too
  tasks: tasks/               # the folder of task files, relative to this folder; each file is one target and partition
  # lake: /srv/lake           # the folder of all results; without it, the lake of each task file
  # upstream:                 # assets to materialize first, besides those in task files (`asset: my_docs`)
  #   candidates: [my_docs]
  # group: {name}               # one group in place of five
  # partitions: none          # for a single task: no partitions
  # pool: gpu                 # the Dagster pool that limits assets on a GPU
  # tracking_uri: "{{{{ env.MLFLOW_TRACKING_URI }}}}"  # MLflow's server; without it, a file in the lake
  # experiment: {name}
  # sensors: false            # do not watch the tasks folder, targets and pools
  # automation: true          # let Dagster materialize missing and outdated assets
"""
_TASK = """\
{line}
# The task of one target. All fields: `getmore schema`; the cost of a run: `getmore plan`.
name: first
lake: .getmore
candidates:                   # the rows to select from
  # - {{asset: my_docs, text: body}}          # an asset of this project, at the version that was materialized last
  # - {{path: corpus/*.parquet, text: text}}
  - {{path: python-docs, include: [python, polars, pandas]}}  # on every machine, for a first try
target:                       # examples of the target: never the split that you test on
  # train: data/train.jsonl
  train: {{path: python-docs, include: [scikit-learn], sample: 300}}
encoder: {{model: lexical, dimensions: 64}}
base_model:
  model: small                # `small` is trained on the pool; or a folder, or a name on the hub
  small: {{layers: 1, width: 64, vocabulary: 2048, rows: 1000}}
selection: {{budget: {{rows: 200}}}}
"""


class Scaffolder(dg.Scaffolder):
    """Writes a commented `defs.yaml`, a first task, and the schema with which editors complete task files."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write the files."""
        if request.scaffold_format != "yaml":
            raise ValueError("GetmoreComponent is scaffolded as YAML; in Python, call getmore_assets.build_definitions")
        folder = request.target_path
        name = "".join(letter if letter.isalnum() else "_" for letter in folder.name)
        (folder / "defs.yaml").write_text(_DEFS.format(type=request.type_name, name=name), "utf-8")
        (folder / "tasks").mkdir(exist_ok=True)
        line = language_server_line(write_schema(folder / "task.schema.json"), folder / "tasks")
        (folder / "tasks" / "first.yaml").write_text(_TASK.format(line=line), "utf-8")


class Upstream(dg.Model, dg.Resolvable):
    """Assets that must be materialized first, by key."""

    candidates: Sequence[str] = Field((), description="before the pool is read")
    target: Sequence[str] = Field((), description="before the target is read")


@dg.scaffold_with(Scaffolder)
class GetmoreComponent(dg.Component, dg.Model, dg.Resolvable):
    """Select the rows of a corpus to warm a model up on, and measure whether the warm-up was worth it.

    Eleven assets: the candidate pool and the target, leakage, domains, embeddings, the transport between pool and
    target, the selected subset, the base, warmed and fine-tuned model, and a scorecard. Each target is a partition.
    """

    key_prefix: Sequence[str] = Field((), description="of every asset key; names of jobs and sensors begin with it")
    tasks: str = Field("tasks", description="folder of task files, or one task file, relative to this folder")
    targets: Sequence[JsonObject] = Field((), description="tasks in place of task files, with the same fields")
    lake: str | None = Field(None, description="the folder of all results, in place of the lake of each task")
    upstream: Upstream = Field(default_factory=Upstream, description="assets that must be materialized first")
    group: str | None = Field(None, description="one asset group in place of five")
    partitions: Literal["targets", "none"] = Field("targets", description="one partition per target, or no partitions")
    pool: str = Field("gpu", description="the Dagster pool that limits assets on a GPU")
    tracking_uri: str | None = Field(None, description="MLflow's server or store, else `MLFLOW_TRACKING_URI`")
    experiment: str | None = Field(None, description="MLflow's experiment, else `MLFLOW_EXPERIMENT_NAME`, or `getmore`")
    resource_key: str | None = Field(None, description="key of the resource that the assets use")
    jobs: bool = Field(True, description="whether to add the jobs")
    sensors: bool = Field(True, description="whether to add the sensors")
    automation: bool = Field(False, description="whether Dagster materializes missing and outdated assets by itself")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the definitions of the pipeline."""
        folder = context.path if context.path.is_dir() else context.path.parent
        return build_definitions(
            key_prefix=tuple(self.key_prefix),
            upstream={"candidates": self.upstream.candidates, "target": self.upstream.target},
            tasks=self.targets or folder / self.tasks,
            lake=self.lake,
            group=self.group,
            partitions=None if self.partitions == "none" else "targets",
            pool=self.pool,
            tracking_uri=self.tracking_uri,
            experiment=self.experiment,
            resource_key=self.resource_key,
            jobs=self.jobs,
            sensors=self.sensors,
            automation_condition=dg.AutomationCondition.eager() if self.automation else None,
        )


GetmoreLine = GetmoreComponent  # the name in a `defs.yaml` of an earlier version
