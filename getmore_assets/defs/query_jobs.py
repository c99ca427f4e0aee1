"""Jobs that answer a question about a target and make nothing: plan, compare, explain, reproduce.

Belongs here: their launchpad fields, and their answers as metadata of the step. Does not: the answers. Text of a corpus
goes into tables and plain text only, never into Markdown, which a browser would render.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from getmore_assets.defs.line import Line
from getmore_assets.defs.target_jobs import TargetJob
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.reporting import comparison, tables
from getmore_assets.selection.explain import of_task
from getmore_assets.stages import reproduction, run_plan

_SHOWN = 500  # characters of a text


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.MetadataValue[Any]:
    """A table that the UI shows; cells are text, as Dagster has no others that may be missing."""
    columns = [dg.TableColumn(name, "string") for name in head]
    records = [
        dg.TableRecord({name: "" if value is None else str(value) for name, value in zip(head, row, strict=True)})
        for row in rows
    ]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns))


def plan_run(context: dg.OpExecutionContext, line: Line) -> None:
    """What a run of a target would compute, on how many rows, and what that took last; nothing of it runs."""
    found = run_plan.plan(line.task())
    columns = ["stage", "cached", "rows", "seconds", "peak_rss_mb", "why", "how"]
    rows = [[getattr(one, name) for name in columns] for one in found.stages]
    whole = {} if found.seconds is None else {"seconds": found.seconds}
    read = tables.sources(found.sources)
    told = {read.title.lower(): _table([column.name for column in read.head], read.rows)} if read else {}
    context.add_output_metadata({**whole, "stages": _table(columns, rows), **told, "notes": "\n".join(found.notes)})


def show_scorecard(context: dg.OpExecutionContext, line: Line) -> None:
    """The scorecard of a target, selectors side by side: metrics with intervals, gains, cost, forgetting, verdict."""
    task = line.task()
    made = Records(Lake(task.lake), task.name).require("scorecard", "Run the job `run` first")
    found = comparison.read(made)
    shown = {one.title: _table([column.name for column in one.head], one.rows) for one in found.tables}
    words = "\n".join([found.headline, *found.verdict])
    context.add_output_metadata({"verdict": words, **shown, "report": dg.MetadataValue.path(found.report)})


class Row(dg.Config):
    """Which row is asked about."""

    row: str = Field(
        description="the row's id, the first eight characters of it or more, or a piece of its text that no other has"
    )


def explain_row(context: dg.OpExecutionContext, line: Line, config: Row) -> None:
    """Why one row is in a target's selection or out of it, its closest target rows, and what would change that."""
    found = of_task(line.task(), config.row)
    nearest = [(f"{one.share:.1%}", one.id, one.text[:_SHOWN]) for one in found.nearest]
    metadata: dict[str, Any] = {
        "decision": found.decision,
        "row": str(found.row["id"]),
        "text": str(found.row["text"])[:_SHOWN],
        "stages": _table(["stage", "decision", "reason"], found.stages),
        "what would change the decision": "\n".join(found.change),
    }
    if nearest:
        metadata["closest target rows"] = _table(["share", "target row", "text"], nearest)
    context.add_output_metadata(metadata)


class Making(dg.Config):
    """Which selection is repeated."""

    run: str = Field(
        "",
        description="the Dagster run that made it, the MLflow run of a model that came of it, or the selection's hash, "
        "eight characters or more; empty: the current selection",
    )


def reproduce_selection(context: dg.OpExecutionContext, line: Line, config: Making) -> None:
    """Repeat a target's selection and compare it with what it was; fails where another one comes out."""
    task = line.task()
    lake = Lake(task.lake)
    if config.run:
        made = reproduction.find(lake, config.run)
    else:
        made = Records(lake, task.name).require("selected_subset", "Run the job `select` first")
    found = reproduction.again(lake, made)
    context.add_output_metadata({**found, "materialized_in_run": dg.MetadataValue.dagster_run(made.dagster_run_id)})
    if found["hash"] != found["expected"]:
        raise dg.Failure(f"another selection: hash {found['hash']}, where {found['expected']} was expected")


JOBS = [
    TargetJob("plan", plan_run),
    TargetJob("compare", show_scorecard),
    TargetJob("explain", explain_row, Row),
    TargetJob("reproduce", reproduce_selection, Making),
]
