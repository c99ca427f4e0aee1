"""Metadata of assets and materializations in Dagster's UI.

Belongs here: schemas, column lineage, owners, and a record's metadata. Does not: materializing (`resource.py`).
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

_MARKDOWN, _ESCAPED = re.compile(r"([\\`*_\[\]<>()!|#])"), r"\\\1"  # a selector's name may contain Markdown
_MOST_ITEMS = 50  # items shown of a list, because Dagster never deletes metadata


def materialize_result(record: Record, status: str, lineage: dg.TableColumnLineage) -> dg.MaterializeResult:
    """Return a record as a materialization; `status` is materialized, cached or kept."""
    metadata: dict[str, Any] = {
        **_results(record),
        "status": status,
        "dagster/row_count": record.rows,
        "seconds": record.seconds,
        "peak_rss_mb": record.peak_rss_mb,
        "materialized_in_run": dg.MetadataValue.dagster_run(record.dagster_run_id),
        "cache_key": record.fingerprint,
        **({"kept": record.kept} if record.kept else {}),
    }
    if record.table is not None:
        schema = table_schema(STAGES[record.stage].columns, record.table.scan().collect_schema())
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


def _results(record: Record) -> dict[str, Any]:
    """Return the verdict and the figures, which the UI lists first."""
    metadata: dict[str, Any] = {}
    if verdict := record.facts.get("verdict"):
        metadata["verdict"] = dg.MetadataValue.md("\n".join(f"- {_MARKDOWN.sub(_ESCAPED, line)}" for line in verdict))
    for name, figure in sorted(record.figures.items(), key=lambda item: item[0] != record.stage):
        if Path(figure).is_file():  # it may have been deleted
            metadata[name.replace("-", " ")] = dg.MetadataValue.md(as_markdown(Path(figure)))
    return metadata


def column_lineage(stage: Stage, task: Task, key: Callable[[str], dg.AssetKey]) -> dg.TableColumnLineage:
    """Return the column lineage of a stage's table: columns of other stages and of source assets.

    Args:
        stage: The stage.
        task: The task, which names the columns of source assets.
        key: Function from a stage's name to its asset key.
    """
    sources = {"candidates": task.candidates, "target": target.sources_of(task).values()}

    def deps(name: str) -> Iterator[dg.TableColumnDep]:
        origin, _, column = name.partition(".")
        if origin in STAGES:
            yield dg.TableColumnDep(key(origin), column)
        for source in sources.get(origin, ()):
            if source is not None and source.asset:
                asset = dg.AssetKey.from_user_string(source.asset)
                names = source.texts if column == "text" else [getattr(source, column)]
                yield from (dg.TableColumnDep(asset, name) for name in names if name)

    return dg.TableColumnLineage(
        {
            name: list(dict.fromkeys(dep for origin in column.comes_from for dep in deps(origin)))
            for name, column in stage.columns.items()
        }
    )


def table_schema(columns: Columns, types: Mapping[str, Any]) -> dg.TableSchema:
    """Return the schema of a table.

    Args:
        columns: The stage's columns, whose meanings become the descriptions.
        types: The type of each column of the table, by name.
    """
    meanings = {name: column.meaning for name, column in columns.items()}
    return dg.TableSchema([dg.TableColumn(name, str(t), description=meanings.get(name)) for name, t in types.items()])


def owners() -> list[str]:
    """Return the assets' owners: `GETMORE_OWNERS`, as `team:NAME` and e-mail addresses separated by commas."""
    return os.environ.get("GETMORE_OWNERS", "team:getmore").split(",")
