"""The pipeline as it stands in one Dagster project: what its parts are called, and which tasks are its targets.

Belongs here: names, partitions, and the way from a partition to a task. Does not: a stage (`stages/table.py`), or
making definitions from these (`project.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.defs import runs
from getmore_assets.errors import BadInput
from getmore_assets.task_files import changed, load_task
from getmore_assets.tasks_folder import find_task_file, read_folder, tasks_folder
from getmore_assets.tracking_place import AS_ENVIRONMENT_SAYS, Tracking

PIPELINE = "getmore/pipeline"  # the tag of a run of a pipeline that has a key prefix


@dataclass(frozen=True)
class Pipeline:
    """Names and tasks of the pipeline in one project. `project.build_definitions` says what each field means."""

    key_prefix: tuple[str, ...] = ()
    tasks: Path | tuple[Task, ...] | None = None
    lake: str | Path | None = None
    partitions: dg.PartitionsDefinition | None = field(
        default_factory=lambda: dg.DynamicPartitionsDefinition(name="target")
    )
    group: str | None = None
    pool: str = "gpu"
    resource_key: str = "line"
    upstream: Mapping[str, tuple[dg.AssetDep, ...]] = field(default_factory=dict)
    tracking: Tracking = AS_ENVIRONMENT_SAYS

    def key(self, stage: str) -> dg.AssetKey:
        """Return the asset key of a stage."""
        return dg.AssetKey([*self.key_prefix, stage])

    def named(self, name: str) -> str:
        """Return the name of a job, an op or a sensor here: two pipelines in one project may not share one."""
        return "_".join([*self.key_prefix, name])

    @property
    def tags(self) -> dict[str, str]:
        """Tags of runs: which pipeline of the project runs, and its target where no partition names it."""
        named = {PIPELINE: "/".join(self.key_prefix)} if self.key_prefix else {}
        target = next(iter(self.all_tasks()[0]), None) if self.partitions is None else None
        return {**named, runs.TARGET: target} if target else named

    def dynamic(self) -> dg.DynamicPartitionsDefinition:
        """Return the partitions, where targets are added as tasks appear."""
        assert isinstance(self.partitions, dg.DynamicPartitionsDefinition)
        return self.partitions

    def place(self) -> str:
        """Return where the tasks are, for people."""
        return "its tasks" if isinstance(self.tasks, tuple) else f"{self.tasks or tasks_folder()}/"

    def targets(self, instance: dg.DagsterInstance) -> set[str]:
        """Return the targets that are partitions."""
        if self.partitions is None:
            return set()
        return set(self.partitions.get_partition_keys(dynamic_partitions_store=instance))

    def add(self, target: str, instance: dg.DagsterInstance) -> None:
        """Make a target a partition, where targets are added as tasks appear."""
        if isinstance(self.partitions, dg.DynamicPartitionsDefinition):
            instance.add_dynamic_partitions(str(self.partitions.name), [target])

    def task(self, target: str | None, overrides: list[str], file: str = "") -> Task:
        """Return a task.

        Args:
            target: Its name, which is the partition's; None where there are no partitions, but one task.
            overrides: Changes to it, as `selection.budget.rows=500`.
            file: Its file, in place of the project's tasks.

        Raises:
            BadInput: No task, or more than one, has that name.
        """
        here, tasks = [*self._lake(), *overrides], self._tasks()
        if file:
            return load_task(file, here)
        if target is None and self.partitions is not None:
            raise BadInput("target", "the run has no partition", "Choose one; as a tag, it is `dagster/partition`")
        if isinstance(tasks, Path):
            if target is not None:
                return load_task(find_task_file(target, tasks), here)
            tasks = tuple(one.task for one in read_folder(tasks).by_name.values())
        named = [task for task in tasks if target in (None, task.name)]
        if len(named) == 1:
            return changed(named[0], here)
        if target is not None:
            raise BadInput(f"target `{target}`", "is none of the tasks", "Correct its name, or add its task")
        what = f"{len(named)} tasks where a project without partitions has one"
        raise BadInput(self.place(), what, "Give `tasks` the file of one task, or keep the partitions")

    def all_tasks(self) -> tuple[dict[str, Task], list[str]]:
        """Return every task by name, and what is wrong with the files that describe none.

        Without partitions the one task is all of them, or none where there are several.
        """
        try:
            tasks, problems = self._tasks(), list[str]()
            if self.partitions is None:
                tasks = (self.task(None, []),)
        except BadInput as error:
            return {}, [str(error)]
        if isinstance(tasks, Path):
            found = read_folder(tasks)
            tasks, problems = tuple(file.task for file in found.by_name.values()), found.problems
        return {task.name: changed(task, self._lake()) for task in tasks}, problems

    def _lake(self) -> list[str]:
        return [f"lake={json.dumps(str(self.lake))}"] if self.lake else []

    def _tasks(self) -> Path | tuple[Task, ...]:
        """Return the folder of task files, or the tasks; a file is read anew whenever it has changed."""
        if isinstance(self.tasks, Path) and self.tasks.is_file():
            return (load_task(self.tasks),)
        return self.tasks or tasks_folder()
