"""Reproducing a selection from the recorded versions of its inputs.

Belongs here: finding the selection of a run, and solving and selecting again in a temporary folder. Does not: the solve
(`workers/solve.py`), the choice (`selection/choice.py`), or printing (`cli/reproduce.py`).
"""

import shutil
import tempfile
from pathlib import Path

from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.facts import PotentialsFacts
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake, TableRef
from getmore_assets.launch import launch
from getmore_assets.records import Record, Records, tasks_in
from getmore_assets.reselection.drift import jaccard
from getmore_assets.selection.choice import take
from getmore_assets.selection.context import Tables
from getmore_assets.stages.rankings import RankingRequest, select_spec
from getmore_assets.workers.contracts import SELECT, SOLVE, OfStage, SolveSpec

_TABLES = tuple(Tables.__dataclass_fields__)
_MODELS = ("warmed_model", "finetuned_model")


def find(lake: Lake, run: str) -> Record:
    """Return the record of a selection.

    Args:
        lake: The lake.
        run: The id of the Dagster run that materialized the selection, the id of a Dagster or MLflow run of a model
            trained on it, or the selection's hash; the first 8 characters suffice.

    Raises:
        BadInput: There is no such lake, or no such selection in it.
    """
    if not lake.root.is_dir():
        raise BadInput(f"lake {lake.root}", "there is no such lake", "Name the lake of the task file")
    available: list[Record] = []
    for task in tasks_in(lake):
        records = Records(lake, task)
        selections = records.materializations("selected_subset")
        trained_on = {
            model.lineage["selection_hash"]
            for stage in _MODELS
            for model in records.materializations(stage)
            if _matches(model.mlflow_run_id, run) or _matches(model.dagster_run_id, run)
        }
        for selection in selections:
            if _matches(selection.dagster_run_id, run) or _matches(selection.data_version, run):
                return selection
            if selection.data_version in trained_on:
                return selection
        available += selections
    rows = (f"{r.task} {r.made_at}: hash {r.data_version[:12]}, run {r.dagster_run_id[:8]}" for r in available)
    raise BadInput(f"run {run}", "matches no selection in this lake", f"Available: {'; '.join(rows) or 'none'}")


def _matches(name: str | None, run: str) -> bool:
    return name is not None and len(run) >= 8 and name.startswith(run)


def reproduce(lake: Lake, selection: Record) -> JsonObject:
    """Solve and select again; return the `hash` of the result, the `expected` hash, and how much the rows overlap.

    Raises:
        BadInput: A recorded version can no longer be read.
    """
    task, tables = Task.model_validate(selection.settings), {name: selection.input_table(name) for name in _TABLES}
    for name, table in [*tables.items(), ("selected_subset", selection.table_ref())]:
        if not lake.holds(table):
            fix = "Keep versions longer: see the retention of VACUUM and of the log"
            raise BadInput(f"{name} at version {table.version}", "can no longer be read", fix)
    solves = Records(lake, selection.task).materializations("ot_potentials")
    potentials = next((solve for solve in solves if solve.table == tables["ot_potentials"]), None)
    if potentials is None:
        where = f"selection {selection.data_version[:12]} of {selection.task}"
        raise BadInput(where, "the record of its potentials is gone", "Select again: getmore select TASK.yaml")
    facts = PotentialsFacts.of(potentials)
    # A folder of its own, because several calls may reproduce one selection at once.
    work = Path(tempfile.mkdtemp(prefix=f"reproduce-{selection.fingerprint[:16]}-", dir=lake.folder("work")))
    try:
        done = launch(SOLVE, _solve_spec(potentials, work), work)
        tables["ot_potentials"] = TableRef(Lake(work).table("ot_potentials"), done.version)
        selector, budget = task.selection.only_selector(), task.selection.budget
        ranking = RankingRequest(selector=selector, budget=budget, path=work / "ranked")
        common: OfStage = {"task": task, "lake": work, "work": work, "commit": {}}
        base = _base_model(lake, selection)
        launch(SELECT, select_spec(common, tables.__getitem__, [ranking], potentials, base), work)
        choice = take(task, Tables(**tables), facts.encoder, facts.epsilon, ranking.ranked())
    finally:
        shutil.rmtree(work, ignore_errors=True)
    before = selection.table_ref().of_target(task.name).select("id").collect()["id"]
    return {
        "task": task.name,
        "expected": selection.data_version,
        "hash": choice.hash,
        "jaccard": jaccard(before, choice.rows["id"]),
        "decision": done.decision,
        "versions": {name: selection.input_table(name).version for name in _TABLES},
    }


def _base_model(lake: Lake, selection: Record) -> Record | None:
    """Return the record of the base model, if the selector used it."""
    if "base_model" not in selection.inputs:
        return None
    for record in Records(lake, selection.task).materializations("base_model"):
        if record.data_version == selection.inputs["base_model"] and Path(record.folders["model"]).is_dir():
            return record
    raise BadInput("base_model", "the model that the selector used is gone", "Run the pipeline again first")


def _solve_spec(potentials: Record, work: Path) -> SolveSpec:
    """Return the recorded spec of the solve worker, with `work` as its lake."""
    # The solve's own input versions: a kept solve is older than the selection's inputs.
    pinned = {name: potentials.input_table(name) for name in _TABLES if name != "ot_potentials"}
    facts, task = PotentialsFacts.of(potentials), Task.model_validate(potentials.settings)
    return SolveSpec(task=task, lake=work, work=work, encoder=facts.encoder, earlier=facts.earlier, **pinned)
