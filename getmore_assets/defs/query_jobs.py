"""Jobs that answer a question about a target and materialize nothing: plan, compare, explain, reproduce.

Belongs here: launchpad fields, and the answers as metadata of the op's output. Does not: computing the answers. Text of
a corpus goes into tables and plain text, never into Markdown, which a browser would render.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from getmore_assets.defs.resource import GetmoreResource
from getmore_assets.defs.target_jobs import TargetJob
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.reporting import comparison, tables
from getmore_assets.selection.explain import of_task
from getmore_assets.stages import reproduction, run_plan

_MOST_CHARS = 500  # characters shown of a text


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.MetadataValue[Any]:
    """Return a table for the UI; cells are strings, as Dagster's other column types have no missing values."""
    columns = [dg.TableColumn(name, "string") for name in head]
    records = [
        dg.TableRecord({name: "" if value is None else str(value) for name, value in zip(head, row, strict=True)})
        for row in rows
    ]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns))


def plan_run(context: dg.OpExecutionContext, getmore: GetmoreResource) -> None:
    """Show the stages that a run would compute, their rows, and the time of their last runs. Compute nothing."""
    plan = run_plan.plan(getmore.task())
    columns = ["stage", "cached", "rows", "seconds", "peak_rss_mb", "why", "how"]
    rows = [[getattr(stage, name) for name in columns] for stage in plan.stages]
    seconds = {} if plan.seconds is None else {"seconds": plan.seconds}
    table = tables.sources(plan.sources)
    sources = {table.title.lower(): _table([column.name for column in table.head], table.rows)} if table else {}
    notes = "\n".join(plan.notes)
    context.add_output_metadata({**seconds, "stages": _table(columns, rows), **sources, "notes": notes})


def show_scorecard(context: dg.OpExecutionContext, getmore: GetmoreResource) -> None:
    """Show the scorecard of a target: metrics of all selectors with intervals, gains, cost, forgetting, verdict."""
    task = getmore.task()
    scorecard = comparison.read(Records(Lake(task.lake), task.name).require("scorecard", "Run the job `run` first"))
    shown = {table.title: _table([column.name for column in table.head], table.rows) for table in scorecard.tables}
    verdict = "\n".join([scorecard.headline, *scorecard.verdict])
    context.add_output_metadata({"verdict": verdict, **shown, "report": dg.MetadataValue.path(scorecard.report)})


class Row(dg.Config):
    """The row to explain."""

    row: str = Field(
        description="the row's id, at least its first eight characters, or a piece of text that only this row has"
    )


def explain_row(context: dg.OpExecutionContext, getmore: GetmoreResource, config: Row) -> None:
    """Explain why a row is selected or not: its closest target rows, and what would change the decision."""
    explained = of_task(getmore.task(), config.row)
    nearest = [(f"{row.share:.1%}", row.id, row.text[:_MOST_CHARS]) for row in explained.nearest]
    metadata: dict[str, Any] = {
        "decision": explained.decision,
        "row": str(explained.row["id"]),
        "text": str(explained.row["text"])[:_MOST_CHARS],
        "stages": _table(["stage", "decision", "reason"], explained.stages),
        "what would change the decision": "\n".join(explained.change),
    }
    if nearest:
        metadata["closest target rows"] = _table(["share", "target row", "text"], nearest)
    context.add_output_metadata(metadata)


class Reproduce(dg.Config):
    """The selection to reproduce."""

    run: str = Field(
        "",
        description="the Dagster run that materialized the selection, the MLflow run of a model trained on it, or at "
        "least eight characters of the selection's hash; empty: the current selection",
    )


def reproduce_selection(context: dg.OpExecutionContext, getmore: GetmoreResource, config: Reproduce) -> None:
    """Repeat a target's selection; fail if the result differs."""
    task = getmore.task()
    lake = Lake(task.lake)
    if config.run:
        record = reproduction.find(lake, config.run)
    else:
        record = Records(lake, task.name).require("selected_subset", "Run the job `select` first")
    result = reproduction.reproduce(lake, record)
    context.add_output_metadata({**result, "materialized_in_run": dg.MetadataValue.dagster_run(record.dagster_run_id)})
    if result["hash"] != result["expected"]:
        raise dg.Failure(f"the selection differs: hash {result['hash']}, expected {result['expected']}")


JOBS = [
    TargetJob("plan", plan_run),
    TargetJob("compare", show_scorecard),
    TargetJob("explain", explain_row, Row),
    TargetJob("reproduce", reproduce_selection, Reproduce),
]
