"""What the pipeline made, as a parameter of a project's own assets.

Belongs here: loading a table or a model's folder at the version that was recorded. Does not: writing; the stages do.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from getmore_assets.corpus import pool
from getmore_assets.corpus.pool import PoolFacts
from getmore_assets.defs.line import Line
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.facts import EmbeddingFacts
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.stages.checks import made_first


class Tables(dg.IOManager):
    """Loads what stages made: `selected_subset: pl.LazyFrame`, `warmed_model: Path`.

    A table is a `pl.LazyFrame`, or a `pl.DataFrame` or `pandas.DataFrame` where the parameter is annotated so; a model
    is a `Path`. Where several partitions are loaded, a dict by target.
    """

    def __init__(self, line: Line) -> None:
        self.line = line

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Refuse: a stage writes its own table."""
        raise NotImplementedError(f"{context.asset_key.to_user_string()} writes its own table")

    def load_input(self, context: dg.InputContext) -> Any:
        """Return what was made, at the version in the record."""
        wanted = context.dagster_type.typing_type
        if not context.has_asset_partitions:
            return self._load(None, context.asset_key.path[-1], wanted)
        found = {name: self._load(name, context.asset_key.path[-1], wanted) for name in context.asset_partition_keys}
        return found if len(found) != 1 else next(iter(found.values()))

    def _load(self, target: str | None, stage: str, wanted: Any) -> Any:
        task = replace(self.line, target=target).task()
        record = Records(Lake(task.lake), task.name).require(stage, made_first(stage))
        if record.table is None:
            return Path(record.folders["model"])
        rows = record.table.scan()
        columns = rows.collect_schema().names()
        if "target" in columns:
            rows = rows.filter(pl.col("target") == task.name)
        elif "pool" in columns:
            rows = rows.filter(pl.col("pool") == (PoolFacts.of(record).pool or pool.pool_key(task)))
        elif "encoder" in columns:
            rows = rows.filter(pl.col("encoder") == EmbeddingFacts.of(record).encoder)
        if wanted is pl.DataFrame:
            return rows.collect()
        return rows.collect().to_pandas() if getattr(wanted, "__module__", "").partition(".")[0] == "pandas" else rows


def tables(pipeline: Pipeline) -> dg.IOManagerDefinition:
    """Return the IO manager of a pipeline's assets."""

    @dg.io_manager(
        required_resource_keys={pipeline.resource_key},
        description="What the pipeline made, for assets that take it as a parameter.",
    )
    def manager(context: dg.InitResourceContext) -> Tables:
        return Tables(getattr(context.resources, pipeline.resource_key))

    return manager
