"""The pipeline's names, partitions and tasks in one Dagster project.

Belongs here: asset keys, job names, partitions, and the task of a partition. Does not: stages (`stages/table.py`), or
definitions (`project.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.defs import runs
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import changed, load_task
from getmore_assets.tasks_folder import find_task_file, read_folder, tasks_folder
from getmore_assets.tracking_place import AS_ENVIRONMENT_SAYS, Tracking

PIPELINE = "getmore/pipeline"  # run tag: the key prefix of the pipeline, if any


@dataclass(frozen=True)
class Pipeline:
    """Names and tasks of the pipeline in one project. `project.build_definitions` documents each field."""

    key_prefix: tuple[str, ...] = ()
    tasks: Path | tuple[Task, ...] | None = None
    lake: str | Path | None = None
    partitions: dg.PartitionsDefinition | None = field(
        default_factory=lambda: dg.DynamicPartitionsDefinition(name="target")
    )
    group: str | None = None
    pool: str = "gpu"
    resource_key: str = "getmore"
    upstream: Mapping[str, tuple[dg.AssetDep, ...]] = field(default_factory=dict)
    tracking: Tracking = AS_ENVIRONMENT_SAYS

    def key(self, stage: str) -> dg.AssetKey:
        """Return the asset key of a stage."""
        return dg.AssetKey([*self.key_prefix, stage])

    def named(self, name: str) -> str:
        """Return the name of a job, op or sensor with the key prefix, so that two pipelines in a project differ."""
        return "_".join([*self.key_prefix, name])

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the pipeline's runs: the key prefix, and the target of a project without partitions."""
        prefix = {PIPELINE: "/".join(self.key_prefix)} if self.key_prefix else {}
        target = next(iter(self.all_tasks()[0]), None) if self.partitions is None else None
        return {**prefix, runs.TARGET: target} if target else prefix

    def dynamic(self) -> dg.DynamicPartitionsDefinition:
        """Return the dynamic partitions."""
        assert isinstance(self.partitions, dg.DynamicPartitionsDefinition)
        return self.partitions

    def place(self) -> str:
        """Return the name of the tasks folder for messages."""
        return "its tasks" if isinstance(self.tasks, tuple) else f"{self.tasks or tasks_folder()}/"

    def targets(self, instance: dg.DagsterInstance) -> set[str]:
        """Return the partition keys; empty in a project without partitions."""
        if self.partitions is None:
            return set()
        return set(self.partitions.get_partition_keys(dynamic_partitions_store=instance))

    def add(self, target: str, instance: dg.DagsterInstance) -> None:
        """Add a target to the partitions if these are dynamic."""
        if isinstance(self.partitions, dg.DynamicPartitionsDefinition):
            instance.add_dynamic_partitions(str(self.partitions.name), [target])

    def task(self, target: str | None, overrides: list[str], file: str = "") -> Task:
        """Return the task of a target.

        Args:
            target: The task's name, which is the partition key; None in a project without partitions.
            overrides: Changes to the task file, such as `selection.budget.rows=500`.
            file: The task file to use in place of the project's tasks; empty for none.

        Raises:
            BadInput: No task, or more than one, has that name.
        """
        overrides, tasks = [*self._lake(), *overrides], self._tasks()
        if file:
            return load_task(file, overrides)
        if target is None and self.partitions is not None:
            raise BadInput("target", "the run has no partition", "Choose one; as a tag, it is `dagster/partition`")
        if isinstance(tasks, Path):
            if target is not None:
                return load_task(find_task_file(target, tasks), overrides)
            tasks = tuple(file.task for file in read_folder(tasks).by_name.values())
        named = [task for task in tasks if target in (None, task.name)]
        if len(named) == 1:
            return changed(named[0], overrides)
        if target is not None:
            raise BadInput(f"target `{target}`", "is not the name of a task", "Correct its name, or add its task")
        what = f"{len(named)} tasks, but a project without partitions has one"
        raise BadInput(self.place(), what, "Give `tasks` the file of one task, or keep the partitions")

    def all_tasks(self) -> tuple[dict[str, Task], list[str]]:
        """Return the tasks by name, and an error message for each file that is not a valid task.

        In a project without partitions, return its one task; with several tasks, return an error message only.
        """
        try:
            tasks, problems = self._tasks(), list[str]()
            if self.partitions is None:
                tasks = (self.task(None, []),)
        except BadInput as error:
            return {}, [str(error)]
        if isinstance(tasks, Path):
            folder = read_folder(tasks)
            tasks, problems = tuple(file.task for file in folder.by_name.values()), folder.problems
        return {task.name: changed(task, self._lake()) for task in tasks}, problems

    def _lake(self) -> list[str]:
        """Return the override that sets every task's lake, if the project has its own lake."""
        return [f"lake={json.dumps(str(self.lake))}"] if self.lake else []

    def _tasks(self) -> Path | tuple[Task, ...]:
        """Return the tasks folder, or the tasks."""
        if isinstance(self.tasks, Path) and self.tasks.is_file():
            return (load_task(self.tasks),)
        return self.tasks or tasks_folder()
