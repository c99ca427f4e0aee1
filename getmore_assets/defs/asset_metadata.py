"""A stage and a record as Dagster shows them.

Belongs here: schema, column lineage and owners; from a record to the metadata of a materialisation. Does not: making
anything.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from getmore_assets.config import Task
from getmore_assets.corpus import target
from getmore_assets.object_stores import is_on_store
from getmore_assets.records import Record
from getmore_assets.reporting.figures import as_markdown
from getmore_assets.stages.columns import Columns
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.table import STAGES

_MARKUP, _ESCAPED = re.compile(r"([\\`*_\[\]<>()!|#])"), r"\\\1"  # a selector may be called anything
_MOST_ITEMS = 50  # of a list; Dagster keeps every materialisation's metadata for ever


def materialisation(record: Record, status: str, lineage: dg.TableColumnLineage) -> dg.MaterializeResult:
    """The materialisation of a stage; `status` says whether it was made, reused or kept."""
    metadata: dict[str, Any] = {
        **_first(record),
        "status": status,
        "dagster/row_count": record.rows,
        "seconds": record.seconds,
        "peak_rss_mb": record.peak_rss_mb,
        "materialized_in_run": dg.MetadataValue.dagster_run(record.dagster_run_id),
        "cache_key": record.fingerprint,
        **({"kept": record.kept} if record.kept else {}),
    }
    if record.table is not None:
        schema = described(STAGES[record.stage].columns, record.table.scan().collect_schema())
        metadata |= {"delta_table": dg.MetadataValue.path(record.table.path), "delta_version": record.table.version}
        uri = record.table.path if is_on_store(record.table.path) else Path(record.table.path).absolute().as_uri()
        metadata |= {"dagster/uri": uri, "dagster/table_name": record.stage}
        metadata |= {"dagster/column_schema": schema, "dagster/column_lineage": lineage}
    metadata |= {name: dg.MetadataValue.path(folder) for name, folder in record.folders.items()}
    for name, value in {**record.facts, **record.facts.get("metrics", {})}.items():
        if name in metadata or name in ("curve", "history", "metrics"):
            continue
        if isinstance(value, str | int | float | bool):
            metadata[name] = value
        else:
            metadata[name] = dg.MetadataValue.json(value if not isinstance(value, list) else value[:_MOST_ITEMS])
    if record.mlflow_url:
        metadata |= {"mlflow_run": dg.MetadataValue.url(record.mlflow_url), "mlflow_run_id": record.mlflow_run_id}
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(record.data_version))


def _first(record: Record) -> dict[str, Any]:
    """What a reader looks for first: the verdict, and the figures."""
    found: dict[str, Any] = {}
    if verdict := record.facts.get("verdict"):
        found["verdict"] = dg.MetadataValue.md("\n".join(f"- {_MARKUP.sub(_ESCAPED, one)}" for one in verdict))
    for name, figure in sorted(record.figures.items(), key=lambda one: one[0] != record.stage):  # its own one first
        if Path(figure).is_file():  # else somebody deleted the picture
            found[name.replace("-", " ")] = dg.MetadataValue.md(as_markdown(Path(figure)))
    return found


def column_lineage(stage: Stage, task: Task, key: Callable[[str], dg.AssetKey]) -> dg.TableColumnLineage:
    """Return what the columns of a stage's table come from: columns of the stages that it reads, and of sources.

    Args:
        stage: Whose table.
        task: Its sources that are assets of the project have columns of the names that the task says.
        key: From the name of a stage to the key of its asset.
    """
    sources = {"candidates": task.candidates, "target": target.sources_of(task).values()}

    def deps(name: str) -> Iterator[dg.TableColumnDep]:
        of, _, column = name.partition(".")
        if of in STAGES:
            yield dg.TableColumnDep(key(of), column)
        for source in sources.get(of, ()):
            if source is not None and source.asset:
                named = source.texts if column == "text" else [getattr(source, column)]
                yield from (dg.TableColumnDep(dg.AssetKey.from_user_string(source.asset), one) for one in named if one)

    return dg.TableColumnLineage(
        {
            name: list(dict.fromkeys(dep for one in column.comes_from for dep in deps(one)))
            for name, column in stage.columns.items()
        }
    )


def described(meant: Columns, schema: Mapping[str, Any]) -> dg.TableSchema:
    """Return the schema of a table with what its columns mean.

    Args:
        meant: The columns of the stage; a column of another name has no description.
        schema: The types by name.
    """
    columns = [
        dg.TableColumn(n, str(kind), description=meant[n].meaning if n in meant else None) for n, kind in schema.items()
    ]
    return dg.TableSchema(columns)


def owners() -> list[str]:
    """Whom the UI names as owners: `GETMORE_OWNERS`, with commas between `team:NAME` and e-mail addresses."""
    return os.environ.get("GETMORE_OWNERS", "team:getmore").split(",")
