"""The pipeline as a component of a Dagster project: `type: getmore_assets.GetmoreLine` in a `defs.yaml`.

Belongs here: the attributes of the component, and what `dg scaffold defs` writes. Does not: what they mean
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
# The pipeline beside the other assets of this project. `dg check defs` looks whether it loads.
type: {type}

attributes:
  key_prefix: [{name}]        # of every asset key; names of jobs, sensors and partitions begin with it, too
  tasks: tasks/               # the folder of task files, from here: each file describes one target, and is a partition
  # lake: /srv/lake           # the folder of all results; without it, the one in each task file
  # upstream:                 # assets that come first; those that task files name (`asset: my_docs`) need not be here
  #   candidates: [my_docs]
  # group: {name}               # one group in place of five
  # partitions: none          # with one task: no partitions
  # pool: gpu                 # in which assets that work on a GPU wait for each other
  # tracking_uri: "{{{{ env.MLFLOW_TRACKING_URI }}}}"  # MLflow's server; without it a file in the lake
  # experiment: {name}
  # sensors: false            # do not watch the tasks folder, targets and pools
  # automation: true          # let Dagster's automation ask for what is missing or out of date
"""
_TASK = """\
{line}
# One target: what is selected for it, and how. Every field: `getmore schema`; what a run will take: `getmore plan`.
name: first
lake: .getmore
candidates:                   # what is selected from
  # - {{asset: my_docs, text: body}}          # an asset of this project, at the version that was materialized last
  # - {{path: corpus/*.parquet, text: text}}
  - {{path: python-docs, include: [python, polars, pandas]}}  # on every machine, to try it
target:                       # what is wanted: never the split that you test on
  # train: data/train.jsonl
  train: {{path: python-docs, include: [scikit-learn], sample: 300}}
encoder: {{model: lexical, dimensions: 64}}
base_model:
  model: small                # `small` trains one from the pool; else a folder, or a name on the hub
  small: {{layers: 1, width: 64, vocabulary: 2048, rows: 1000}}
selection: {{budget: {{rows: 200}}}}
"""


class Scaffolder(dg.Scaffolder):
    """Writes a commented `defs.yaml`, a first task, and the schema that editors complete task files by."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write the files."""
        if request.scaffold_format != "yaml":
            raise ValueError("GetmoreLine is scaffolded as YAML; in Python, call getmore_assets.build_definitions")
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
class GetmoreLine(dg.Component, dg.Model, dg.Resolvable):
    """Choose the rows of a corpus to warm a model up on, and say whether it was worth it.

    Eleven assets: the candidate pool and the target, what leaks, domains, embeddings, the transport between pool and
    target, the selected subset, the models before and after, and a scorecard. Each target is a partition.
    """

    key_prefix: Sequence[str] = Field((), description="of every asset key; names of jobs and sensors begin with it")
    tasks: str = Field("tasks", description="the folder of task files, or the file of one task, from this folder")
    targets: Sequence[JsonObject] = Field((), description="tasks, in place of task files: as `getmore schema` says")
    lake: str | None = Field(None, description="the folder of all results, in place of the one in each task")
    upstream: Upstream = Field(default_factory=Upstream, description="assets that must be materialized first")
    group: str | None = Field(None, description="one asset group in place of five")
    partitions: Literal["targets", "none"] = Field("targets", description="a partition a target, or none")
    pool: str = Field("gpu", description="in which assets that work on a GPU wait for each other")
    tracking_uri: str | None = Field(None, description="MLflow's server or store, else `MLFLOW_TRACKING_URI`")
    experiment: str | None = Field(None, description="MLflow's experiment, else `MLFLOW_EXPERIMENT_NAME`, or `getmore`")
    resource_key: str | None = Field(None, description="of the resource behind the assets")
    jobs: bool = Field(True, description="whether to add the jobs")
    sensors: bool = Field(True, description="whether to add the sensors")
    automation: bool = Field(False, description="whether Dagster's automation asks for what is missing or out of date")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the definitions."""
        here = context.path if context.path.is_dir() else context.path.parent
        return build_definitions(
            key_prefix=tuple(self.key_prefix),
            upstream={"candidates": self.upstream.candidates, "target": self.upstream.target},
            tasks=self.targets or here / self.tasks,
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
