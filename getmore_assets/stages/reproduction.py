"""A selection made again from the versions it was made from.

Belongs here: finding the selection that a run made or used, solving and selecting again beside the lake's own tables.
Does not: the solve (`workers/solve.py`), the choice (`selection/choice.py`), or printing (`cli/reproduce.py`).
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
from getmore_assets.stages.rankings import RankingRequest, spec
from getmore_assets.workers.contracts import SELECT, SOLVE, OfStage, SolveSpec

_TABLES = tuple(Tables.__dataclass_fields__)
_MODELS = ("warmed_model", "finetuned_model")


def find(lake: Lake, run: str) -> Record:
    """The making of a selection that a Dagster run, an MLflow run of a model that came of it, or its hash names.

    Raises:
        BadInput: There is no such lake, or no such selection in it.
    """
    if not lake.root.is_dir():
        raise BadInput(f"lake {lake.root}", "there is no such lake", "Name the lake of the task file")
    known: list[Record] = []
    for task in tasks_in(lake):
        records = Records(lake, task)
        selections = records.makings("selected_subset")
        wanted = {
            model.lineage["selection_hash"]
            for stage in _MODELS
            for model in records.makings(stage)
            if _names(model.mlflow_run_id, run) or _names(model.dagster_run_id, run)
        }
        for one in selections:
            if _names(one.dagster_run_id, run) or _names(one.data_version, run) or one.data_version in wanted:
                return one
        known += selections
    listed = "; ".join(f"{r.task} {r.made_at}: hash {r.data_version[:12]}, run {r.dagster_run_id[:8]}" for r in known)
    raise BadInput(f"run {run}", "made no such selection in this lake", f"Available: {listed or 'none'}")


def _names(name: str | None, run: str) -> bool:
    return name is not None and len(run) >= 8 and name.startswith(run)


def again(lake: Lake, made: Record) -> JsonObject:
    """Solve and select again: `hash` of what came of it, beside the `expected` one, and how much they share.

    Raises:
        BadInput: A version that it was made from can be read no more.
    """
    task, tables = Task.model_validate(made.settings), {name: made.input_table(name) for name in _TABLES}
    for name, table in [*tables.items(), ("selected_subset", made.table_ref())]:
        if not lake.holds(table):
            fix = "Keep versions longer: see the retention of VACUUM and of the log"
            raise BadInput(f"{name} at version {table.version}", "can be read no more", fix)
    solved = Records(lake, made.task).makings("ot_potentials")
    potentials = next((one for one in solved if one.table == tables["ot_potentials"]), None)
    if potentials is None:
        what = "no record says how its potentials were solved for"
        raise BadInput(
            f"selection {made.data_version[:12]} of {made.task}", what, "Select again: getmore select TASK.yaml"
        )
    facts = PotentialsFacts.of(potentials)
    # A folder of its own: several may reproduce one selection at once.
    work = Path(tempfile.mkdtemp(prefix=f"reproduce-{made.fingerprint[:16]}-", dir=lake.folder("work")))
    try:
        done = launch(SOLVE, _spec(potentials, work), work)
        tables["ot_potentials"] = TableRef(Lake(work).table("ot_potentials"), done.version)
        selector, budget = task.selection.only_selector(), task.selection.budget
        asked = RankingRequest(selector=selector, budget=budget, path=work / "ranked")
        common: OfStage = {"task": task, "lake": work, "work": work, "commit": {}}
        launch(SELECT, spec(common, tables.__getitem__, [asked], potentials, _base(lake, made)), work)
        choice = take(task, Tables(**tables), facts.encoder, facts.epsilon, asked.rows())
    finally:
        shutil.rmtree(work, ignore_errors=True)
    before = made.table_ref().of_target(task.name).select("id").collect()["id"]
    return {
        "task": task.name,
        "expected": made.data_version,
        "hash": choice.hash,
        "jaccard": jaccard(before, choice.rows["id"]),
        "decision": done.decision,
        "versions": {name: made.input_table(name).version for name in _TABLES},
    }


def _base(lake: Lake, made: Record) -> Record | None:
    """The base model that the selector asked, where it asked one."""
    if "base_model" not in made.inputs:
        return None
    for record in Records(lake, made.task).makings("base_model"):
        if record.data_version == made.inputs["base_model"] and Path(record.folders["model"]).is_dir():
            return record
    raise BadInput("base_model", "that the selector asked is gone", "Run the pipeline again first")


def _spec(potentials: Record, work: Path) -> SolveSpec:
    """What the solve worker was asked then, with a lake of its own to write to."""
    # The tables that the solve read, which may be older than the selection's: a solve stands until it must not.
    pinned = {name: potentials.input_table(name) for name in _TABLES if name != "ot_potentials"}
    facts, task = PotentialsFacts.of(potentials), Task.model_validate(potentials.settings)
    return SolveSpec(task=task, lake=work, work=work, encoder=facts.encoder, earlier=facts.earlier, **pinned)
