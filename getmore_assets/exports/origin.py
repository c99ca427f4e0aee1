"""The origin of an export: selection, table versions and runs.

Belongs here: reading the origin from the records. Does not: showing the origin (`card.py`, `folder.py`).
"""

from dataclasses import dataclass

from getmore_assets.config import Task
from getmore_assets.facts import SelectionFacts
from getmore_assets.json_models import JsonObject
from getmore_assets.records import Record, Records, tables_of

_SELECTION = "selected_subset"


@dataclass(frozen=True)
class Origin:
    """The origin of a selection, or of a model that was warmed up on it.

    Attributes:
        task: Name of the task.
        selection_hash: Hash of the selected ids and their order.
        selector: Name of the selector.
        called: Name of the selector in the scorecard.
        budget: Rows, tokens or fraction.
        rows: Number of selected rows.
        words: Number of words and punctuation marks in these rows.
        candidates: Number of candidates.
        tables: The version of each stage's Delta table.
        dagster_run_id: Dagster run that materialized the export.
        mlflow_run_id: MLflow run of a model; None for a selection.
        made_at: Time of the materialization: UTC, ISO 8601.
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


def origin_of(records: Records, record: Record) -> Origin:
    """Return the origin of a stage's record.

    Args:
        records: The task's records.
        record: The record of the selected subset or of a model. The origin of a kept model is the selection that the
            model was trained on.
    """
    tags = {**record.lineage, **record.own_tags()}
    versions = {stage: table.version for stage, table in tables_of(tags).items()}
    selections = records.materializations(_SELECTION)
    selection = next(one for one in selections if one.table and one.table.version == versions[_SELECTION])
    settings, facts = Task.model_validate(selection.settings).selection, SelectionFacts.of(selection)
    return Origin(
        task=record.task,
        selection_hash=tags["selection_hash"],
        selector=settings.selector,
        called=settings.called,
        budget=settings.budget.model_dump(exclude_none=True),
        rows=selection.rows,
        words=facts.n_tokens,
        candidates=facts.candidates,
        tables=versions,
        dagster_run_id=record.dagster_run_id,
        mlflow_run_id=record.mlflow_run_id,
        made_at=record.made_at,
    )
