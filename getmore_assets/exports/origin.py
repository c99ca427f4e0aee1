"""What an exported thing comes from: the selection, its versions, the runs.

Belongs here: gathering that from the records. Does not: how it is shown (`card.py`, `folder.py`).
"""

from dataclasses import dataclass

from getmore_assets.config import Task
from getmore_assets.facts import SelectionFacts
from getmore_assets.json_models import JsonObject
from getmore_assets.records import Record, Records, tables_of

_SELECTION = "selected_subset"


@dataclass(frozen=True)
class Origin:
    """Where a selection, or a model that was warmed up on one, comes from.

    Attributes:
        task: Its name.
        selection_hash: Names the selected rows and their order.
        selector: What chose them.
        called: What the task calls the selector.
        budget: Rows, tokens or fraction.
        rows: That were selected.
        words: In them, with punctuation marks.
        candidates: That there were to choose from.
        tables: The version of each station's Delta table.
        dagster_run_id: Of the making of what is exported.
        mlflow_run_id: Of a model's; None for a selection.
        made_at: UTC, ISO 8601.
    """

    task: str
    selection_hash: str
    selector: str
    called: str
    budget: JsonObject
    rows: int
    words: int
    candidates: int
    tables: dict[str, int]
    dagster_run_id: str
    mlflow_run_id: str | None
    made_at: str


def origin(records: Records, record: Record) -> Origin:
    """Where what a station left comes from.

    Args:
        records: Of the task.
        record: Of the selected subset, or of a model. A model that was kept names the selection it was made from.
    """
    tags = {**record.lineage, **record.own_tags()}
    versions = {stage: table.version for stage, table in tables_of(tags).items()}
    made = records.makings(_SELECTION)
    selection = next(one for one in made if one.table and one.table.version == versions[_SELECTION])
    chosen, said = Task.model_validate(selection.settings).selection, SelectionFacts.of(selection)
    return Origin(
        task=record.task,
        selection_hash=tags["selection_hash"],
        selector=chosen.selector,
        called=chosen.called,
        budget=chosen.budget.model_dump(exclude_none=True),
        rows=selection.rows,
        words=said.n_tokens,
        candidates=said.candidates,
        tables=versions,
        dagster_run_id=record.dagster_run_id,
        mlflow_run_id=record.mlflow_run_id,
        made_at=record.made_at,
    )
